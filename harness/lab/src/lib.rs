//! The local backend: every endpoint of a topology is a network namespace of this machine, and a datapath in user
//! space carries their packets and applies the policy the engine compiled.
//!
//! [`namespace`] makes the namespaces, [`datapath`] judges and moves packets, `proxy` judges queries and
//! requests, [`policy`] is what both ask.
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
pub mod identities;
pub mod lab;
pub mod losses;
pub mod names;
pub mod namespace;
pub mod policy;
pub mod redirect;
pub mod rewriting;
pub mod services;

mod carrier;
mod packet;
mod proxy;
