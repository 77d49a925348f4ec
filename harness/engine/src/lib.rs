//! An independent policy engine: from topology, policies and an attempt to a [`Prediction`] with its rules.
//!
//! It follows the documentation and the observable behaviour of Kubernetes and Cilium, version by version, and shares
//! no code with them. It has three stages, each with its own folder: [`admission`] is what the API server's schema
//! refuses, `agent` what Cilium's agent refuses of the rest and how it reads the rules, and [`model`] what the rules
//! decide. If something is not modelled the engine abstains; it never guesses.
//!
//! Pure: no I/O, no clock, no randomness. Must not know any observation: neither outcomes nor flows.
//!
//! [`Prediction`]: verdikt_scenario::prediction::Prediction

pub mod acceptance;
pub mod admission;
pub mod behaviour;
pub mod certificates;
pub mod datapath;
pub mod decide;
pub mod identity;
pub mod in_force;
pub mod label;
pub mod lint;
pub mod model;
pub mod model_endpoint;
pub mod refusal;
pub mod refused_objects;
pub mod rule;
pub mod selected;
pub mod selector;

mod agent;
mod alike;

mod dns;
mod explain;
mod http;
mod peer_miss;
pub mod predict;
mod resolve;
mod selector_advice;
mod versions;
