//! Ping: an echo request, over an unprivileged ping socket if allowed, otherwise over a raw socket.
//! <https://man7.org/linux/man-pages/man7/icmp.7.html>

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::echo::{self, Echo, Family};
use super::progress::{AttemptProgress, StageRoute};
use crate::failure;
use crate::mark;
use crate::socket::{self, HomeAddress};
use verdikt_wire::{StageTransport, WireOutcome, WireStage};

/// Sends one echo request, and waits for its reply.
pub(crate) async fn make(
    progress: &mut AttemptProgress,
    address: IpAddr,
) -> Result<WireOutcome, WireOutcome> {
    let (pinger, local) = Pinger::of(progress.home(), address).map_err(|error| failure::not_made(&error))?;
    let remote = SocketAddr::new(address, 0);
    let over = StageRoute { stage: WireStage::Connect, transport: StageTransport::Icmp, local, remote };
    let text = mark::text(progress.attempt());
    progress.stage(over, pinger.exchange(local, remote, &text)).await?;
    Ok(WireOutcome::Answered)
}

/// A socket for echo requests to one address.
struct Pinger {
    socket: UdpSocket,
    family: Family,
    /// Reserves the identifier of a raw socket.
    reserved: Option<Socket>,
}

impl Pinger {
    /// Opens the socket. Returns it with its own address; the port is the identifier.
    fn of(home: HomeAddress, address: IpAddr) -> io::Result<(Self, SocketAddr)> {
        let (protocol, family) = match address {
            IpAddr::V4(_) => (Protocol::ICMPV4, echo::IPV4),
            IpAddr::V6(_) => (Protocol::ICMPV6, echo::IPV6),
        };
        let remote = SocketAddr::new(address, 0);
        match socket::connected(home, remote, Type::DGRAM, protocol) {
            Ok((socket, local)) => Ok((Self { socket, family, reserved: None }, local)),
            // The system allows ping sockets to the groups of net.ipv4.ping_group_range only.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let (socket, _) = socket::connected(home, remote, Type::RAW, protocol)?;
                let (reserved, local) = socket::reserved(home, address)?;
                Ok((Self { socket, family, reserved: Some(reserved) }, local))
            }
            Err(error) => Err(error),
        }
    }

    async fn exchange(&self, local: SocketAddr, remote: SocketAddr, text: &[u8]) -> Result<(), WireOutcome> {
        let identifier = local.port();
        let request = Echo { kind: self.family.request, identifier, text }.bytes();
        let wanted = Echo { kind: self.family.reply, identifier, text };
        let mut buffer = [0; 2048];
        let exchange = async {
            failure::sent(self.socket.send(&request).await)?;
            loop {
                let length = self.socket.recv(&mut buffer).await?;
                let mut message = &buffer[..length];
                if self.reserved.is_some() {
                    message = socket::without_ipv4_header(message, remote);
                }
                // A raw socket also receives replies for others.
                if Echo::read(message) == Some(wanted) {
                    return Ok(());
                }
            }
        };
        exchange.await.map_err(|error: io::Error| failure::outcome(&error))
    }
}
