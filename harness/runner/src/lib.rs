//! Orchestrates a run: every scenario, step by step, over a backend.
//!
//! A run tells what happens as [`Event`](verdikt_verdict::event::Event)s, in a stable order, and prints nothing.
//! There is one backend: `model`, in which the engine's predictions are the verdicts.
//!
//! Must not know: output formats, or how a command line is written.

pub mod filter;
pub mod model;

mod rejections;

pub use rejections::{mistakes, options};
