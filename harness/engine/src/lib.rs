//! An independent policy engine: topology, policies and an attempt in, a [`Prediction`] with its rules out.
//!
//! It follows the documents and the observable behaviour of Kubernetes and Cilium, version by version, and
//! shares no code with them. Three judges in a row, each with its own folder: [`admission`] says what the API
//! server's schema refuses, `agent` what Cilium's agent refuses of the rest and what the rules mean,
//! and [`model`] what they decide. What is not modelled makes the engine abstain, never guess.
//!
//! Pure: no I/O, no clock, no randomness. Must not know any observation: neither what a client saw nor what
//! Hubble reported.
//!
//! [`Prediction`]: verdikt_scenario::prediction::Prediction

pub mod admission;
pub mod behaviour;
pub mod decide;
pub mod identity;
pub mod in_force;
pub mod judgement;
pub mod label;
pub mod lint;
pub mod model;
pub mod party;
pub mod refusal;
pub mod refused_objects;
pub mod rule;
pub mod ruling;
pub mod selected;
pub mod selector;

mod agent;
mod certificates;

mod dns;
mod explain;
mod http;
mod peer_miss;
pub mod predict;
mod resolve;
mod selector_advice;
mod versions;
