//! Everything that touches Kubernetes: steps on the real datapath of a cluster with Cilium.
//!
//! [`connect`] finds the cluster of a kubeconfig, [`inspect`] says what it is and what is missing, [`limits`] how near it is to its limits, [`lease`] keeps two
//! runs apart, [`borrow`] tells what is somebody else's and used as it is, [`cluster::Cluster`] brings a topology to
//! life and puts policies in force, [`settle`] waits until the datapath has them, [`evidence`] collects what explains a
//! failure, and [`clean`] removes what any run ever left.
//!
//! Must not know: what a policy means, flows, or verdicts.

pub mod audit;
pub mod borrow;
pub mod clean;
pub mod cluster;
pub mod connect;
pub mod error;
pub mod evidence;
pub mod exec;
pub mod forward;
pub mod image;
pub mod inspect;
pub mod inventory;
pub mod lease;
pub mod limits;
pub mod mark;
pub mod namespaces;
pub mod objects;
pub mod others;
pub mod permissions;
pub mod pods;
pub mod policies;
pub mod relay;
pub mod services;
pub mod settle;
pub mod wait;
pub mod world;

#[cfg(test)]
mod fixture;
mod manifest;
mod probe;
