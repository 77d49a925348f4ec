//! Accepting connections, for every server that speaks over TCP.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::socket::plain;

/// How long to wait when no connection can be accepted: most often because too many files are open.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(10);

/// Accepts for ever, and lets `serve` serve each connection. Connections are closed with the future. Each of `fences`
/// is told when all are accepted that waited when it came.
pub(super) async fn accept<F>(
    listener: TcpListener,
    mut fences: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    serve: impl Fn(TcpStream, SocketAddr) -> F,
) where
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
            Some(fence) = fences.recv() => {
                loop {
                    match waiting(&listener) {
                        Ok((stream, peer)) => drop(connections.spawn(serve(stream, plain(peer)))),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        Err(_) => sleep(OUT_OF_SOCKETS).await,
                    }
                }
                // Nobody waits for it any more only while the probe ends.
                let _ = fence.send(());
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A connection that waits to be accepted. The system is asked: what the runtime knows of a listener may be old.
fn waiting(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = SockRef::from(listener).accept()?;
    socket.set_nonblocking(true)?;
    let peer = peer.as_socket().ok_or_else(|| io::Error::other("the peer has no internet address"))?;
    Ok((TcpStream::from_std(socket.into())?, peer))
}
