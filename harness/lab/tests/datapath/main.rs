//! The datapath, packet by packet: what is delivered where, with which addresses, and what is reported.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod connections;
mod forwarding;
mod fragments;
mod hostile;
mod policies;
mod redirects;
mod services;
mod support;
