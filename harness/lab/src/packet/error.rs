//! ICMP errors: messages about a packet that contain its start.

use std::net::IpAddr;

use super::network::{self, Completeness};
use super::rewrite::{set_addresses, set_ports};
use super::{Headers, ICMP, ICMP_V6, SCTP, TCP, Tuple, UDP, checksum};

/// The start of the quoted packet in an ICMP error, from the start of the ICMP header.
const HEADER: usize = 8;

/// The packet that an ICMP error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QuotedPacket {
    pub(crate) tuple: Tuple,
    /// The start of its transport header, in the quoted packet.
    transport: usize,
}

/// The packet that an ICMP error quotes; none if the quote is too short, or the message is damaged or fragmented.
pub(crate) fn quoted(packet: &[u8], headers: &Headers) -> Option<QuotedPacket> {
    if headers.fragment.is_some() || message_checksum(packet, headers, &headers.tuple) != 0 {
        return None;
    }
    let quoted = packet.get(headers.transport + HEADER..headers.length)?;
    let network = network::read(quoted, Completeness::Beginning).ok()?;
    if network.fragment.is_some_and(|fragment| fragment.offset > 0) {
        return None;
    }
    let start = quoted.get(network.transport..network.transport + 8)?;
    let number = |at: usize| u16::from_be_bytes([start[at], start[at + 1]]);
    let tuple = match (network.protocol, network.source, start[0]) {
        (TCP | UDP | SCTP, ..) => network.tuple(number(0), number(2)),
        (ICMP, IpAddr::V4(_), 8) | (ICMP_V6, IpAddr::V6(_), 128) => network.tuple(number(4), 0),
        (ICMP, IpAddr::V4(_), 0) | (ICMP_V6, IpAddr::V6(_), 129) => network.tuple(0, number(4)),
        _ => return None,
    };
    Some(QuotedPacket { tuple, transport: network.transport })
}

/// Gives an ICMP error other addresses, and the quoted packet another tuple. `headers` are those of the error.
pub(crate) fn rewrite(
    packet: &mut [u8],
    headers: &Headers,
    quoted: &QuotedPacket,
    outer: &Tuple,
    inner: &Tuple,
) {
    set_addresses(packet, &headers.tuple, outer);
    let begin = headers.transport + HEADER;
    let part = &mut packet[begin..headers.length];
    let addresses = set_addresses(part, &quoted.tuple, inner);
    set_ports(part, quoted.transport, &quoted.tuple, inner, addresses);
    let at = headers.transport + 2;
    packet[at..at + 2].fill(0);
    let sum = message_checksum(packet, headers, outer);
    packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

fn message_checksum(packet: &[u8], headers: &Headers, outer: &Tuple) -> u16 {
    let message = &packet[headers.transport..headers.length];
    let start = if outer.protocol == ICMP_V6 {
        checksum::pseudo_header(outer.source, outer.destination, ICMP_V6, message.len())
    } else {
        0
    };
    checksum::of(start, message)
}
