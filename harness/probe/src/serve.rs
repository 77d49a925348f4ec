//! Servers, by what they speak.

use std::io;
use std::net::SocketAddr;

use tokio::task::JoinHandle;

use crate::agent::reports::Reporter;
use crate::failure;
use crate::socket::Home;
use crate::wire::{Arrived, Report, Serve, Speaks, Transport};

mod connections;
mod dns;
mod http;
mod sctp;
mod tcp;
mod tls;
mod udp;

/// A server that serves until it is stopped or dropped.
pub(crate) struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Server {
    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Closes its sockets: its port is free when this returns.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a server. Its sockets listen when this returns.
///
/// Errors: why it cannot listen, in words.
pub(crate) fn start(home: Home, wanted: &Serve, reporter: &Reporter) -> Result<Server, String> {
    let arrivals = Arrivals { server: wanted.server, reporter: reporter.clone() };
    let port = wanted.port;
    let started = match wanted.speaks {
        Speaks::Http => http::start(home, port, arrivals),
        Speaks::Https => http::start_over_tls(home, port, arrivals),
        Speaks::Tcp => tcp::start(home, port, arrivals),
        Speaks::Udp => udp::start(home, port, arrivals),
        Speaks::Dns => dns::start(home, port, &wanted.zone, arrivals),
        Speaks::Sctp => sctp::start(home, port, arrivals),
    };
    started
        .map(|(port, task)| Server { port, task })
        .map_err(|error| format!("cannot listen on port {port}: {}", failure::words(&error)))
}

/// A started server's port and task.
type Started = io::Result<(u16, JoinHandle<()>)>;

/// Reports what reaches a server.
#[derive(Clone)]
struct Arrivals {
    server: u64,
    reporter: Reporter,
}

impl Arrivals {
    fn tell(&self, transport: Transport, peer: SocketAddr, attempt: Option<u64>) {
        self.reporter.tell(Report::Arrived(Arrived { server: self.server, transport, peer, attempt }));
    }
}
