//! The analysis of whole situations, held against the engine's own answers.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod brute_force;
mod diff;
mod invariants;
mod support;
