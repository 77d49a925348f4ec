//! The client and the streams against servers on real sockets.

mod clients;
mod server;
mod streams;
mod tls;
mod ways;
