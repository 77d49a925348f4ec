//! The scenario set: what verdikt claims about Cilium, as files anyone can run.
//!
//! `articles/` holds policies that people read and copy, with what their authors claim of them; `recordings/` what
//! was seen on a real cluster; `traps/` what surprises. The test `scenarios` makes a test of every step.

/// The folder of the set.
pub const FOLDER: &str = env!("CARGO_MANIFEST_DIR");
