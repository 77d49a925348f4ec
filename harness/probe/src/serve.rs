//! Servers, one module for each protocol.

use std::io;
use std::net::SocketAddr;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::failure;
use crate::reports::Reporter;
use crate::socket::HomeAddress;
use verdikt_wire::{Arrived, Report, Serve, Speaks, StageTransport, Zone};

mod connections;
mod dns;
mod http;
mod sctp;
mod tcp;
mod tls;
mod udp;

use self::dns::SharedNames;

/// A running server; dropping it stops it.
pub(crate) struct Server {
    port: u16,
    task: JoinHandle<()>,
    /// Makes the server accept all pending connections; none for servers without connections.
    fences: Option<Fences>,
    /// The names that a DNS server answers for; none for other servers.
    names: Option<SharedNames>,
}

/// Each fence is notified when all connections that were pending when it was sent have been accepted.
type Fences = mpsc::UnboundedSender<oneshot::Sender<()>>;

impl Server {
    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits until every connection that exists now is accepted and reported: the kernel completes connections before the
    /// server accepts them.
    pub(crate) async fn accept_waiting(&self) {
        let (accepted, all) = oneshot::channel();
        if self.fences.as_ref().is_some_and(|fences| fences.send(accepted).is_ok()) {
            // An error means that the server has ended.
            let _ = all.await;
        }
    }

    /// Replaces the names that a DNS server answers for.
    ///
    /// Errors: why it does not, as text.
    pub(crate) fn answer_for(&self, zone: &Zone) -> Result<(), String> {
        let names = self.names.as_ref().ok_or("it answers no queries")?;
        names.replace(zone)
    }

    /// Stops it. Its sockets are closed when this returns.
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
/// Errors: why it cannot listen, as text.
pub(crate) fn start(home: HomeAddress, wanted: &Serve, reporter: &Reporter) -> Result<Server, String> {
    let arrivals = Arrivals { server: wanted.server, reporter: reporter.clone() };
    let port = wanted.port;
    let started = match wanted.speaks {
        Speaks::Http => http::start(home, port, arrivals),
        Speaks::Https => http::start_over_tls(home, port, &wanted.certificate, arrivals),
        Speaks::Tcp => tcp::start(home, port, arrivals),
        Speaks::Udp => udp::start(home, port, arrivals),
        Speaks::Dns => dns::start(home, port, &wanted.zone, arrivals),
        Speaks::Sctp => sctp::start(home, port, arrivals),
    };
    started.map_err(|error| format!("cannot listen on port {port}: {}", failure::words(&error)))
}

/// A started server.
type StartedServer = io::Result<Server>;

impl Server {
    /// A server that reports everything before it answers.
    fn new(port: u16, task: JoinHandle<()>) -> Self {
        Self { port, task, fences: None, names: None }
    }

    /// A server whose connections exist before it reports them.
    fn accepting(port: u16, task: JoinHandle<()>, fences: Fences) -> Self {
        Self { port, task, fences: Some(fences), names: None }
    }

    /// A DNS server, which also accepts connections.
    fn answering(port: u16, task: JoinHandle<()>, fences: Fences, names: SharedNames) -> Self {
        Self { port, task, fences: Some(fences), names: Some(names) }
    }
}

/// Reports arrivals at a server.
#[derive(Clone)]
struct Arrivals {
    server: u64,
    reporter: Reporter,
}

impl Arrivals {
    fn tell(&self, transport: StageTransport, peer: SocketAddr, attempt: Option<u64>) {
        self.reporter.tell(Report::Arrived(Arrived { server: self.server, transport, peer, attempt }));
    }
}
