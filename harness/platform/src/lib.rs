//! What differs between the operating systems that verdikt runs on: how files keep their owner, how paths are written in
//! bytes, how programs are kept from a terminal's interrupt, which limits there are, and how a process ends without memory.
//!
//! The lab and the probe live in Linux alone; everything else is the same on Linux, macOS and Windows because this crate is
//! different.
//!
//! Must not know: anything of verdikt.

pub mod abort;
pub mod files;
pub mod limit;
pub mod programs;
