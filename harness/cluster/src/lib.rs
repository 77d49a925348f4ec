//! Everything that talks to the Kubernetes API: runs the steps of scenarios on a cluster with Cilium.
//!
//! | module | job |
//! |---|---|
//! | [`connect`] | connects to the cluster of a kubeconfig context |
//! | [`inspect`] | collects facts about the cluster and its Cilium, and reports what is missing |
//! | [`limits`] | warns when the cluster is near one of Cilium's limits |
//! | [`lease`] | keeps two runs from using one cluster at the same time |
//! | [`borrow`] | reads the existing pods and services that a run uses without changing them |
//! | [`cluster`] | creates a topology and applies the policies of a step ([`cluster::Cluster`]) |
//! | [`agent_polls`] | asks the agents of Cilium, once for all scenarios that wait for an answer |
//! | [`settle`] | waits until the datapath enforces them |
//! | [`evidence`] | collects what helps to explain a failure |
//! | [`clean`] | removes everything that any run left behind |
//!
//! Must not know: what a policy means, flows, or verdicts.

pub mod agent_polls;
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
mod redirects;
