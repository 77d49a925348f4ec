//! UDP: a datagram there and back.

use std::net::SocketAddr;

use socket2::{Protocol, Type};

use super::progress::{AttemptProgress, Over};
use crate::failure;
use crate::mark;
use crate::socket;
use verdikt_wire::{StageTransport, WireOutcome, WireStage};

/// Sends one datagram, and wants the same one back.
pub(crate) async fn make(
    progress: &mut AttemptProgress,
    remote: SocketAddr,
) -> Result<WireOutcome, WireOutcome> {
    let (socket, local) = socket::connected(progress.home(), remote, Type::DGRAM, Protocol::UDP)
        .map_err(|error| failure::not_made(&error))?;
    let over = Over { stage: WireStage::Connect, transport: StageTransport::Udp, local, remote };
    let text = mark::text(progress.attempt());
    let exchange = async {
        failure::sent(socket.send(&text).await).map_err(|error| failure::outcome(&error))?;
        // One that is longer is another one.
        let mut answer = vec![0; text.len() + 1];
        let length = socket.recv(&mut answer).await.map_err(|error| failure::outcome(&error))?;
        if answer[..length] == text {
            Ok(())
        } else {
            Err(WireOutcome::Garbled("another datagram came back than was sent".to_owned()))
        }
    };
    progress.stage(over, exchange).await?;
    Ok(WireOutcome::Answered)
}
