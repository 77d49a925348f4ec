//! Reads the parts of IP packets that the datapath uses. No input makes it panic.
//!
//! IPv4: RFC 791, IPv6: RFC 8200.

mod checksum;
pub(crate) mod error;
mod network;
pub(crate) mod rewrite;

use std::net::IpAddr;

use self::network::{Completeness, Network};

/// Protocol numbers.
/// <https://www.iana.org/assignments/protocol-numbers>
pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMP_V6: u8 = 58;
pub(crate) const SCTP: u8 = 132;

/// What identifies a connection. An echo request has its identifier in place of the source port, an echo reply in
/// place of the destination port, so that one is the reverse of the other; other ICMP messages have no ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tuple {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) protocol: u8,
}

impl Tuple {
    /// The tuple of an answer.
    pub(crate) fn reversed(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            protocol: self.protocol,
        }
    }
}

/// The content of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PacketContent {
    /// A TCP segment.
    Tcp(Flags),
    /// A UDP datagram.
    Udp,
    /// An SCTP packet.
    Sctp,
    /// An ICMP echo request or reply.
    Echo {
        /// The message's type.
        kind: u8,
        /// Whether it is the request.
        request: bool,
    },
    /// An ICMP message about another packet, of which it contains a part.
    IcmpError {
        /// The message's type.
        kind: u8,
    },
    /// Any other ICMP message.
    Icmp {
        /// The message's type.
        kind: u8,
    },
    /// A fragment other than the first: its ports are those of the first.
    LaterFragment,
    /// A protocol that the datapath does not carry.
    Other,
}

impl PacketContent {
    /// The type of an ICMP message.
    pub(crate) fn icmp_kind(self) -> Option<u8> {
        match self {
            Self::Echo { kind, .. } | Self::IcmpError { kind } | Self::Icmp { kind } => Some(kind),
            _ => None,
        }
    }
}

/// The flags of a TCP segment that change a connection's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// Whether it opens a connection.
    pub(crate) fn opens(self) -> bool {
        self.0 & 0b1_0010 == 0b10
    }

    pub(crate) fn fin(self) -> bool {
        self.0 & 0b1 != 0
    }

    pub(crate) fn reset(self) -> bool {
        self.0 & 0b100 != 0
    }
}

/// The place of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The identification that all fragments of a packet share, besides the addresses and the protocol.
    pub(crate) identification: u32,
    /// The protocol field all fragments share; in IPv6 it may be that of a further extension header.
    pub(crate) protocol: u8,
    /// The start of the fragmented part in this packet.
    pub(crate) begin: usize,
    /// The offset of its payload, in bytes.
    pub(crate) offset: usize,
    /// Whether more fragments follow.
    pub(crate) more: bool,
}

/// The headers that the datapath uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Headers {
    pub(crate) tuple: Tuple,
    pub(crate) content: PacketContent,
    pub(crate) fragment: Option<Fragment>,
    /// TTL or hop limit.
    pub(crate) hops: u8,
    /// The start of the transport header, or of a later fragment's payload.
    pub(crate) transport: usize,
    /// The length of the packet by its header; the rest of the buffer does not belong to it.
    pub(crate) length: usize,
}

/// Why a packet cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("neither IPv4 nor IPv6")]
    Version,
    #[error("cut off in its IP header")]
    Header,
    #[error("its IP header gives a wrong length")]
    Length,
    #[error("more extension headers than any packet needs")]
    TooManyExtensions,
    #[error("a misplaced extension header")]
    MisplacedExtension,
    #[error("it has a source route")]
    SourceRoute,
    #[error("a fragment that fits into no packet")]
    Fragment,
    #[error("a first fragment without the whole transport header")]
    TinyFragment,
    #[error("cut off in its transport header")]
    Transport,
    #[error("its transport header gives a wrong length")]
    TransportLength,
}

/// The shortest header of a transport protocol.
fn shortest_header(protocol: u8) -> usize {
    match protocol {
        TCP => 20,
        SCTP => 12,
        _ => 8,
    }
}

/// Reads a packet.
pub(crate) fn parse(packet: &[u8]) -> Result<Headers, Unreadable> {
    let network = network::read(packet, Completeness::Whole)?;
    let payload = &packet[network.transport..network.length];
    let later = network.fragment.is_some_and(|fragment| fragment.offset > 0);
    let (content, source_port, destination_port) =
        if later { (PacketContent::LaterFragment, 0, 0) } else { transport(&network, payload)? };
    Ok(Headers {
        tuple: network.tuple(source_port, destination_port),
        content,
        fragment: network.fragment,
        hops: network.hops,
        transport: network.transport,
        length: network.length,
    })
}

fn transport(network: &Network, payload: &[u8]) -> Result<(PacketContent, u16, u16), Unreadable> {
    let short = if network.fragment.is_some() { Unreadable::TinyFragment } else { Unreadable::Transport };
    let number =
        |at: usize| payload.get(at..at + 2).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    let known = matches!(
        (network.protocol, network.source),
        (TCP | UDP | SCTP, _) | (ICMP, IpAddr::V4(_)) | (ICMP_V6, IpAddr::V6(_))
    );
    if !known {
        return Ok((PacketContent::Other, 0, 0));
    }
    if payload.len() < shortest_header(network.protocol) {
        return Err(short);
    }
    match network.protocol {
        TCP => {
            let length = usize::from(payload[12] >> 4) * 4;
            if length < 20 {
                return Err(Unreadable::TransportLength);
            }
            if length > payload.len() {
                return Err(short);
            }
            Ok((PacketContent::Tcp(Flags(payload[13])), number(0), number(2)))
        }
        UDP => {
            let length = usize::from(number(4));
            if length < 8 || (network.fragment.is_none() && length > payload.len()) {
                return Err(Unreadable::TransportLength);
            }
            Ok((PacketContent::Udp, number(0), number(2)))
        }
        SCTP => Ok((PacketContent::Sctp, number(0), number(2))),
        _ => {
            let kind = payload[0];
            Ok(match (network.protocol, kind) {
                (ICMP, 8) | (ICMP_V6, 128) => (PacketContent::Echo { kind, request: true }, number(4), 0),
                (ICMP, 0) | (ICMP_V6, 129) => (PacketContent::Echo { kind, request: false }, 0, number(4)),
                (ICMP, 3 | 11 | 12) | (ICMP_V6, 1..=4) => (PacketContent::IcmpError { kind }, 0, 0),
                _ => (PacketContent::Icmp { kind }, 0, 0),
            })
        }
    }
}

impl Headers {
    /// The end of the part of a first fragment that the datapath uses. A later fragment that starts before it
    /// overwrites it.
    pub(crate) fn end_of_transport(&self, fragment: Fragment) -> usize {
        self.transport - fragment.begin + shortest_header(self.tuple.protocol)
    }

    /// Whether it only concerns neighbours on a link, which no endpoint has: multicast, broadcast, and IPv6
    /// neighbour, router and listener discovery.
    pub(crate) fn is_for_neighbours(&self) -> bool {
        let Tuple { destination, protocol, .. } = self.tuple;
        let discovery = protocol == ICMP_V6
            && self.content.icmp_kind().is_some_and(|kind| matches!(kind, 130..=137 | 143));
        let broadcast = matches!(destination, IpAddr::V4(address) if address.is_broadcast());
        discovery || broadcast || destination.is_multicast()
    }
}
