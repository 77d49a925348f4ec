//! Rewrites forwarded packets: addresses, ports and hops, with the checksums that cover them.

use std::net::IpAddr;

use super::checksum::{self, Delta};
use super::{Headers, ICMP_V6, PacketContent, SCTP, TCP, Tuple, UDP};

/// Gives a packet other addresses and ports, and decrements its hop count. `headers` are those of the packet.
pub(crate) fn forward(packet: &mut [u8], headers: &Headers, to: &Tuple) {
    take_hop(packet);
    if headers.tuple == *to {
        return;
    }
    let addresses = set_addresses(packet, &headers.tuple, to);
    if headers.content != PacketContent::LaterFragment {
        set_ports(packet, headers.transport, &headers.tuple, to, addresses);
    }
    if headers.content == PacketContent::Sctp && headers.fragment.is_none() {
        let sctp = &mut packet[headers.transport..headers.length];
        sctp[8..12].fill(0);
        let sum = checksum::crc32c(sctp);
        sctp[8..12].copy_from_slice(&sum);
    }
}

fn take_hop(packet: &mut [u8]) {
    if packet[0] >> 4 == 6 {
        packet[7] = packet[7].saturating_sub(1);
        return;
    }
    let old = word(packet, 8);
    packet[8] = packet[8].saturating_sub(1);
    let mut delta = Delta::default();
    delta.word(old, word(packet, 8));
    adjust(packet, 10, delta);
}

/// Sets the addresses of an IP header at the start of `packet`, and an IPv4 header's checksum. Returns the change for
/// the transport checksum.
pub(super) fn set_addresses(packet: &mut [u8], from: &Tuple, to: &Tuple) -> Delta {
    let mut delta = Delta::default();
    for (old, new, at_4, at_6) in
        [(from.source, to.source, 12, 8), (from.destination, to.destination, 16, 24)]
    {
        match (old, new) {
            (IpAddr::V4(_), IpAddr::V4(new)) => packet[at_4..at_4 + 4].copy_from_slice(&new.octets()),
            (IpAddr::V6(_), IpAddr::V6(new)) => packet[at_6..at_6 + 16].copy_from_slice(&new.octets()),
            _ => continue,
        }
        delta.address(old, new);
    }
    if from.source.is_ipv4() {
        adjust(packet, 10, delta);
    }
    delta
}

/// Sets the ports of a transport header and its checksum, as far as it is complete.
pub(super) fn set_ports(packet: &mut [u8], transport: usize, from: &Tuple, to: &Tuple, addresses: Delta) {
    let mut delta = addresses;
    if matches!(from.protocol, TCP | UDP | SCTP) {
        for (at, new) in [(transport, to.source_port), (transport + 2, to.destination_port)] {
            delta.word(word(packet, at), new);
            packet[at..at + 2].copy_from_slice(&new.to_be_bytes());
        }
    }
    let checksum_at = transport
        + match from.protocol {
            TCP => 16,
            UDP => 6,
            ICMP_V6 => 2,
            _ => return,
        };
    if checksum_at + 2 > packet.len() {
        return;
    }
    // In UDP, 0 means that there is no checksum (RFC 768).
    let udp = from.protocol == UDP;
    if udp && word(packet, checksum_at) == 0 {
        return;
    }
    adjust(packet, checksum_at, delta);
    if udp && word(packet, checksum_at) == 0 {
        packet[checksum_at..checksum_at + 2].fill(0xff);
    }
}

fn adjust(packet: &mut [u8], at: usize, delta: Delta) {
    let checksum = delta.apply(word(packet, at));
    packet[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

fn word(packet: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([packet[at], packet[at + 1]])
}
