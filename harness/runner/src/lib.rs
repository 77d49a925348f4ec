//! Orchestrates a run: every scenario, step by step, over a backend.
//!
//! A run tells what happens as [`Event`](verdikt_verdict::event::Event)s, in a stable order, and prints nothing.
//! In [`model`] the engine's predictions are the verdicts; over a [`backend::Backend`] attempts are made, and
//! `run` collects the evidence about them.
//!
//! The features `lab` and `cluster`, on by default, bring these backends; without them there is the policy model alone,
//! and neither sockets nor TLS nor a client of Kubernetes.
//!
//! Must not know: output formats, or how a command line is written.

pub mod backend;
pub mod clock;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod filter;
#[cfg(all(feature = "lab", target_os = "linux"))]
pub mod lab;
pub mod model;
pub mod plan;
#[cfg(feature = "probes")]
pub mod run;
pub mod shard;
pub mod warnings;

#[cfg(feature = "probes")]
mod attempts;
mod cell;
#[cfg(feature = "probes")]
mod destinations;
#[cfg(feature = "probes")]
mod in_flight;
mod invariants;
mod refusals;
mod step_under_way;
#[cfg(feature = "probes")]
mod wire_words;

pub use refusals::{mistakes, options};
