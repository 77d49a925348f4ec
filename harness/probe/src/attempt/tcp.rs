//! TCP: connects, and closes the connection.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::progress::{AttemptProgress, StageResult, StageRoute};
use crate::failure;
use crate::socket;
use verdikt_wire::{StageTransport, WireOutcome, WireStage};

/// The timeout for the other side to close.
const CLOSING: Duration = Duration::from_secs(1);

/// A connection with its own address.
pub(crate) struct TcpConnection {
    pub(crate) stream: TcpStream,
    pub(crate) local: SocketAddr,
}

impl StageResult for TcpConnection {}

/// Connects, and closes in an orderly way.
pub(crate) async fn make(
    progress: &mut AttemptProgress,
    remote: SocketAddr,
) -> Result<WireOutcome, WireOutcome> {
    let connection = connect(progress, remote).await?;
    tokio::spawn(timeout(CLOSING, close(connection.stream)));
    Ok(WireOutcome::Answered)
}

/// The stage that connects.
pub(crate) async fn connect(
    progress: &mut AttemptProgress,
    remote: SocketAddr,
) -> Result<TcpConnection, WireOutcome> {
    let (socket, local) =
        socket::unconnected(progress.home(), remote).map_err(|error| failure::not_made(&error))?;
    let over = StageRoute { stage: WireStage::Connect, transport: StageTransport::Tcp, local, remote };
    let connecting = async {
        let stream = socket.connect(remote).await.map_err(|error| failure::outcome(&error))?;
        Ok(TcpConnection { stream, local })
    };
    progress.stage(over, connecting).await
}

/// Shuts down the sending side and waits until the other side does so too. Reads what it sends until then, because
/// closing a socket with unread bytes resets the connection.
async fn close(mut stream: TcpStream) {
    let mut ignored = [0; 1024];
    if stream.shutdown().await.is_ok() {
        while matches!(stream.read(&mut ignored).await, Ok(1..)) {}
    }
}
