//! Ping: an echo request, through the sockets that need no privileges where they may be used, else through a raw one.
//! <https://man7.org/linux/man-pages/man7/icmp.7.html>

use std::io;
use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::Message;
use socket2::{Protocol, Type};
use tokio::net::UdpSocket;

use super::echo::{self, Echo, Family};
use super::progress::{Over, Progress};
use crate::failure;
use crate::mark;
use crate::socket;
use crate::wire::{Outcome, Stage, Transport};

/// Sends one echo request, and wants its reply.
pub(crate) async fn make(progress: &mut Progress, address: IpAddr) -> Result<Outcome, Outcome> {
    let (pinger, local) = Pinger::of(address).map_err(|error| failure::not_made(&error))?;
    let remote = SocketAddr::new(address, 0);
    let over = Over { stage: Stage::Connect, transport: Transport::Icmp, local, remote };
    let text = mark::text(progress.attempt());
    progress.stage(over, pinger.exchange(local.port(), &text)).await?;
    Ok(Outcome::Answered)
}

/// A socket for echoes with one address.
struct Pinger {
    socket: UdpSocket,
    family: Family,
    /// Whether what is received begins with the IPv4 header.
    below: bool,
}

impl Pinger {
    /// With its own address; the port is the identifier of the echoes.
    fn of(address: IpAddr) -> io::Result<(Self, SocketAddr)> {
        let (protocol, family) = match address {
            IpAddr::V4(_) => (Protocol::ICMPV4, echo::IPV4),
            IpAddr::V6(_) => (Protocol::ICMPV6, echo::IPV6),
        };
        let remote = SocketAddr::new(address, 0);
        match socket::connected(remote, Type::DGRAM, protocol) {
            Ok((socket, local)) => Ok((Self { socket, family, below: false }, local)),
            // The system allows ping sockets to the groups of net.ipv4.ping_group_range only.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let (socket, local) =
                    socket::connected(remote, Type::RAW, protocol).map_err(|_| not_allowed())?;
                let local = SocketAddr::new(local.ip(), random());
                Ok((Self { socket, family, below: address.is_ipv4() }, local))
            }
            Err(error) => Err(error),
        }
    }

    async fn exchange(&self, identifier: u16, text: &[u8]) -> Result<(), Outcome> {
        let request = Echo { kind: self.family.request, identifier, text }.bytes();
        let wanted = Echo { kind: self.family.reply, identifier, text };
        let mut answer = [0; 2048];
        let exchange = async {
            self.socket.send(&request).await?;
            loop {
                let length = self.socket.recv(&mut answer).await?;
                let message =
                    if self.below { after_ipv4_header(&answer[..length]) } else { &answer[..length] };
                // A raw socket also hears what others are sent.
                if Echo::read(message) == Some(wanted) {
                    return Ok(());
                }
            }
        };
        exchange.await.map_err(|error: io::Error| failure::outcome(&error))
    }
}

fn not_allowed() -> io::Error {
    io::Error::other(
        "neither ping sockets (net.ipv4.ping_group_range) nor raw sockets (CAP_NET_RAW) are allowed",
    )
}

/// The part after a header whose length stands in its first byte, in words of four bytes.
fn after_ipv4_header(packet: &[u8]) -> &[u8] {
    let header = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    packet.get(header..).unwrap_or_default()
}

/// A random number, as queries have them.
fn random() -> u16 {
    Message::query().metadata.id
}
