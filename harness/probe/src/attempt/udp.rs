//! UDP: sends a datagram and waits for its echo.

use std::net::SocketAddr;

use socket2::{Protocol, Type};

use super::progress::{AttemptProgress, StageRoute};
use crate::failure;
use crate::mark;
use crate::socket;
use verdikt_wire::{StageTransport, WireOutcome, WireStage};

/// Sends one datagram, and waits for the same one.
pub(crate) async fn make(
    progress: &mut AttemptProgress,
    remote: SocketAddr,
) -> Result<WireOutcome, WireOutcome> {
    let (socket, local) = socket::connected(progress.home(), remote, Type::DGRAM, Protocol::UDP)
        .map_err(|error| failure::not_made(&error))?;
    let over = StageRoute { stage: WireStage::Connect, transport: StageTransport::Udp, local, remote };
    let text = mark::text(progress.attempt());
    let exchange = async {
        failure::sent(socket.send(&text).await).map_err(|error| failure::outcome(&error))?;
        // One byte more, to recognize longer datagrams.
        let mut answer = vec![0; text.len() + 1];
        let length = socket.recv(&mut answer).await.map_err(|error| failure::outcome(&error))?;
        if answer[..length] == text {
            Ok(())
        } else {
            Err(WireOutcome::Garbled(
                "the datagram that came back differs from the one that was sent".to_owned(),
            ))
        }
    };
    progress.stage(over, exchange).await?;
    Ok(WireOutcome::Answered)
}
