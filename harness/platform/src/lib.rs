//! What differs between the operating systems that verdikt runs on: how files keep their owner, how paths are written in
//! bytes, how a child process is kept from a terminal's interrupt, which limits there are, and how a process ends that runs
//! out of memory.
//!
//! The lab and the probe run only on Linux. All other code is the same on Linux, macOS and Windows, because the differences
//! are in this crate.
//!
//! Must not know: anything of verdikt.

pub mod abort;
pub mod files;
pub mod limit;
pub mod programs;
