//! Drives the real probe over its pipes, on loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answered;
mod ended;
mod failures;
mod http;
mod https;
mod kept;
mod lines;
mod many;
mod names;
mod process;
mod servers;
mod shared;
