//! Connections that are kept for later attempts.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::progress::{AttemptProgress, StageRoute};
use super::tcp::{self, TcpConnection};
use crate::failure;
use crate::mark;
use verdikt_wire::{StageTransport, WireOutcome, WireStage};

/// The connections that a probe keeps, by their names.
#[derive(Clone, Default)]
pub(crate) struct KeptConnections(Arc<Mutex<BTreeMap<String, TcpConnection>>>);

impl KeptConnections {
    /// Keeps a connection; an earlier one of that name is closed.
    fn keep(&self, name: &str, connection: TcpConnection) {
        self.all().insert(name.to_owned(), connection);
    }

    fn take(&self, name: &str) -> Option<TcpConnection> {
        self.all().remove(name)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, TcpConnection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects, and keeps the connection.
pub(crate) async fn begin(
    progress: &mut AttemptProgress,
    kept: &KeptConnections,
    remote: SocketAddr,
    name: &str,
) -> Result<WireOutcome, WireOutcome> {
    kept.keep(name, tcp::connect(progress, remote).await?);
    Ok(WireOutcome::Answered)
}

/// Sends a text on a kept connection, and waits for its echo.
pub(crate) async fn make(
    progress: &mut AttemptProgress,
    kept: &KeptConnections,
    name: &str,
) -> Result<WireOutcome, WireOutcome> {
    let none = || WireOutcome::NotAttempted(format!("no connection is kept of `{name}`"));
    let mut connection = kept.take(name).ok_or_else(none)?;
    let local = connection.local;
    let remote = connection.stream.peer_addr().map_err(|error| failure::outcome(&error))?;
    let over = StageRoute { stage: WireStage::Connect, transport: StageTransport::Tcp, local, remote };
    let text = mark::text(progress.attempt());
    let said = progress.stage(over, exchange(&mut connection.stream, &text)).await;
    // A connection that times out now may work later.
    if matches!(said, Ok(()) | Err(WireOutcome::TimedOut | WireOutcome::Ended)) {
        kept.keep(name, connection);
    }
    said.map(|()| WireOutcome::Answered)
}

/// Sends a text and reads until its echo. The echo of an earlier text may come first.
async fn exchange(stream: &mut TcpStream, text: &[u8]) -> Result<(), WireOutcome> {
    let failed = |error: io::Error| failure::outcome(&error);
    stream.write_all(text).await.map_err(failed)?;
    let (mut heard, mut more) = (Vec::new(), [0; 1024]);
    while !heard.ends_with(text) {
        match stream.read(&mut more).await.map_err(failed)? {
            0 => return Err(WireOutcome::Reset),
            length => heard.extend_from_slice(&more[..length]),
        }
    }
    Ok(())
}
