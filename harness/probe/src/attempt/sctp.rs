//! SCTP: requests an association, and stops at the acknowledgement, which creates no state at the server.

use std::net::SocketAddr;

use socket2::{Protocol, Type};

use super::progress::{AttemptProgress, StageRoute};
use crate::failure;
use crate::random;
use crate::sctp::{PROTOCOL, Packet, SctpContent};
use crate::socket;
use verdikt_wire::{StageTransport, WireOutcome, WireStage};

/// Sends one `INIT`, and waits for its acknowledgement.
pub(crate) async fn make(
    progress: &mut AttemptProgress,
    remote: SocketAddr,
) -> Result<WireOutcome, WireOutcome> {
    let not_made = |error| failure::not_made(&error);
    let (_reserved, local) = socket::reserved(progress.home(), remote.ip()).map_err(not_made)?;
    let protocol = Protocol::from(PROTOCOL);
    let portless = SocketAddr::new(remote.ip(), 0);
    let (socket, _) = socket::connected(progress.home(), portless, Type::RAW, protocol).map_err(not_made)?;
    let over = StageRoute { stage: WireStage::Connect, transport: StageTransport::Sctp, local, remote };
    let tag = random::tag();
    let init = Packet { from: local.port(), to: remote.port(), tag: 0, says: SctpContent::Init(tag) }.bytes();
    let exchange = async {
        socket.send(&init).await.map_err(|error| failure::outcome(&error))?;
        let mut buffer = [0; 2048];
        loop {
            let length = socket.recv(&mut buffer).await.map_err(|error| failure::outcome(&error))?;
            let bytes = socket::without_ipv4_header(&buffer[..length], remote);
            // A raw socket also receives packets for others.
            let answer = Packet::read(bytes)
                .filter(|packet| packet.from == remote.port() && packet.to == local.port());
            match answer.map(|packet| (packet.tag, packet.says)) {
                Some((seen, SctpContent::InitAck(_))) if seen == tag => return Ok(()),
                // A peer without our tag sends back the tag of the INIT, which is zero.
                Some((seen, SctpContent::Abort)) if seen == tag || seen == 0 => {
                    return Err(WireOutcome::Refused);
                }
                _ => {}
            }
        }
    };
    progress.stage(over, exchange).await?;
    Ok(WireOutcome::Answered)
}
