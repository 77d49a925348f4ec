//! ICMP messages other than echo requests, which need no answer.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use socket2::{Protocol, Type};

use super::echo::Echo;
use super::progress::{AttemptProgress, StageRoute};
use crate::failure;
use crate::socket;
use verdikt_wire::{StageTransport, WireOutcome, WireStage};

/// Sends one message, and waits for an error about it until the timeout.
pub(crate) async fn make(
    progress: &mut AttemptProgress,
    address: IpAddr,
    kind: u8,
) -> Result<WireOutcome, WireOutcome> {
    let protocol = if address.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    let portless = SocketAddr::new(address, 0);
    let (socket, local) = socket::connected(progress.home(), portless, Type::RAW, protocol)
        .map_err(|error| failure::not_made(&error))?;
    let remote = SocketAddr::new(address, kind.into());
    let over = StageRoute { stage: WireStage::Connect, transport: StageTransport::Icmp, local, remote };
    // Only the type of the message matters, so it quotes no packet.
    let message = Echo { kind, identifier: 0, text: &[] }.bytes();
    let sending = async {
        failure::sent(socket.send(&message).await).map_err(|error| failure::outcome(&error))?;
        let mut heard = [0; 2048];
        loop {
            // A raw socket also receives packets for others; only errors are about this message.
            socket.recv(&mut heard).await.map_err(|error| failure::outcome(&error))?;
        }
    };
    let ended: Result<Infallible, WireOutcome> = progress.stage(over, sending).await;
    match ended {
        Err(outcome) => Err(outcome),
    }
}
