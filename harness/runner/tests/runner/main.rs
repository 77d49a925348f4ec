//! Runs over scenario files: of the engine alone, and over a backend that plays what it is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod backends;
mod cycle;
mod invariants;
mod many;
mod model;
mod retry;
mod scripted;
mod several;
mod support;
