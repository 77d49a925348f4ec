//! Topologies from Kubernetes objects: pods, services and namespaces of a repository, a renderer or a cluster.
//!
//! [`read`] makes a [`Situation`] of files, folders or the standard input. [`Loader`] reads the files themselves;
//! everything else here is pure.
//!
//! ```no_run
//! use std::path::PathBuf;
//! use verdikt_manifests::{loader, read};
//! use verdikt_scenario::loader::FileReach;
//!
//! let paths = [PathBuf::from("deploy/")]; // the arguments of a command; `-` is the standard input
//! let situation = read(&mut loader(&paths, FileReach::Inside), &paths, None);
//! if let Some(remark) = situation.not_rendered("matrix") {
//!     // Nothing can be said of what a tool has yet to render: tell how, and end with exit code 2.
//!     println!("{remark}");
//! }
//! assert!(situation.mistakes().next().is_none());
//! assert_eq!(situation.topology.pods.len(), 1);
//! assert!(situation.policies.is_empty());
//! ```
//!
//! From there, [`PolicyModel::new`] of the engine takes `&situation.topology` and `&situation.policies`.
//!
//! Must not know: Kubernetes clients, sockets, the policy engine.
//!
//! [`Loader`]: verdikt_scenario::loader::Loader
//! [`PolicyModel::new`]: https://docs.rs/verdikt-engine

mod convert;
mod field;
mod gateway;
pub mod init;
mod node;
mod ports;
mod redirect;
mod secret;
mod service;
pub mod situation;
mod slices;
mod workload;

pub use convert::objects;
pub use situation::{Situation, load, loader, read};
