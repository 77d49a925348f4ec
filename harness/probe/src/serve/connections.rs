//! Accepts connections, for all servers over TCP.

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

/// The pause when accepting fails, mostly because too many files are open.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(10);

/// Accepts connections without end, and runs `serve` for each. Dropping the future closes them. Notifies each of
/// `fences` when all connections that were pending at that time are accepted.
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
                // The receiver is gone only while the probe ends.
                let _ = fence.send(());
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Accepts a pending connection by asking the kernel, because the runtime's readiness may be outdated.
fn waiting(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = SockRef::from(listener).accept()?;
    socket.set_nonblocking(true)?;
    let peer = peer.as_socket().ok_or_else(|| io::Error::other("the peer has no internet address"))?;
    Ok((TcpStream::from_std(socket.into())?, peer))
}
