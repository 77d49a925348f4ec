//! The local backend: every endpoint of a topology is a network namespace of this machine, and a datapath in user
//! space carries their packets and applies the policies as the engine compiled them.
//!
//! [`namespace`] creates the namespaces, [`datapath`] decides about packets and forwards them, `proxy` decides about
//! queries and requests, and both ask [`policy`].
//!
//! Must not know: Kubernetes, or what a scenario expects.

#![cfg(target_os = "linux")]

pub mod addresses;
pub mod control;
pub mod current;
pub mod datapath;
pub mod enter;
pub mod error;
pub mod exec;
pub mod hidden_clients;
pub mod identities;
pub mod lab;
pub mod losses;
pub mod names;
pub mod namespace;
pub mod policy;
pub mod redirect;
pub mod rewriting;
pub mod services;

mod datapath_thread;
mod packet;
mod proxy;
