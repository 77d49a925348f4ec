//! Accepting connections, for every server that speaks over TCP.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::socket::plain;

/// How long to wait when no connection can be accepted: most often because too many files are open.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(10);

/// Accepts for ever, and lets `serve` serve each connection. Connections are closed with the future.
pub(super) async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream, SocketAddr) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve(stream, plain(peer)));
                }
                Err(_) => sleep(OUT_OF_SOCKETS).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
