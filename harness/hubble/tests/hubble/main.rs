//! The client and the streams against servers on real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod clients;
mod flow_sources;
mod server;
mod streams;
mod tls;
