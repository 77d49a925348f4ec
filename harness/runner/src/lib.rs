//! Orchestrates a run: every scenario, step by step, over a backend.
//!
//! A run tells what happens as [`Event`](verdikt_verdict::event::Event)s, in a stable order, and prints nothing.
//! In [`model`] the engine's predictions are the verdicts; over a [`backend::Backend`] attempts are made, and
//! [`run`] collects the evidence about them.
//!
//! Must not know: output formats, or how a command line is written.

pub mod backend;
pub mod clock;
pub mod cluster;
pub mod filter;
pub mod lab;
pub mod model;
pub mod plan;
pub mod run;
pub mod shard;

mod attempts;
mod cell;
mod destinations;
mod in_flight;
mod rejections;
mod wire_words;

pub use rejections::{mistakes, options};
