//! Changing a packet's ends, with all checksums that cover them.

use std::net::{IpAddr, SocketAddr};

use super::{Packet, Transport, checksum, number};

/// Both ends of a packet. The ports of an echo mean nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// Where it comes from.
    pub source: SocketAddr,
    /// Where it goes to.
    pub destination: SocketAddr,
}

/// Gives a packet other ends, of its own family. `bytes` is what `packet` was read from.
pub fn rewrite(bytes: &mut [u8], packet: &Packet, ends: &Ends) {
    if packet.source.is_ipv4() != ends.source.is_ipv4() || ends.source.is_ipv4() != ends.destination.is_ipv4()
    {
        return;
    }
    let covered = addresses(packet.source, packet.destination);
    let renewed = addresses(ends.source.ip(), ends.destination.ip());
    let at = if packet.source.is_ipv4() { 12 } else { 8 };
    bytes[at..at + renewed.len()].copy_from_slice(&renewed);
    if packet.source.is_ipv4() {
        change(bytes, 10, &covered, &renewed, false);
    }
    if packet.fragment.is_some_and(|fragment| !fragment.first) {
        return;
    }
    let start = packet.payload;
    match (packet.protocol, packet.transport) {
        (number::TCP | number::UDP, Transport::Ports { source, destination, .. }) => {
            let before = [covered.as_slice(), &ports(source, destination)].concat();
            let ports = ports(ends.source.port(), ends.destination.port());
            let after = [renewed.as_slice(), &ports].concat();
            bytes[start..start + 4].copy_from_slice(&ports);
            if packet.protocol == number::TCP {
                change(bytes, start + 16, &before, &after, false);
            } else if packet.source.is_ipv6() || bytes[start + 6..start + 8] != [0, 0] {
                change(bytes, start + 6, &before, &after, true);
            }
        }
        (number::SCTP, Transport::Ports { .. }) => {
            bytes[start..start + 4].copy_from_slice(&ports(ends.source.port(), ends.destination.port()));
            bytes[start + 8..start + 12].fill(0);
            let sum = checksum::crc32c(&bytes[start..packet.length]);
            bytes[start + 8..start + 12].copy_from_slice(&sum);
        }
        (number::ICMPV6, Transport::Icmp { .. }) => change(bytes, start + 2, &covered, &renewed, false),
        _ => {}
    }
}

/// Gives an ICMP error other addresses, and the packet it holds other ends.
pub fn rewrite_error(bytes: &mut [u8], packet: &Packet, source: IpAddr, destination: IpAddr, held: &Ends) {
    let Ok(inner) = packet.read_held(bytes) else { return };
    let (start, at) = (packet.payload, packet.held());
    if inner.source.is_ipv4() != held.source.is_ipv4() {
        return;
    }
    let addresses_at = at + if inner.source.is_ipv4() { 12 } else { 8 };
    let covered = addresses(inner.source, inner.destination);
    let renewed = addresses(held.source.ip(), held.destination.ip());
    bytes[addresses_at..addresses_at + renewed.len()].copy_from_slice(&renewed);
    if inner.source.is_ipv4() {
        change(bytes, at + 10, &covered, &renewed, false);
    }
    if matches!(inner.transport, Transport::Ports { .. }) {
        let ports = ports(held.source.port(), held.destination.port());
        bytes[at + inner.payload..at + inner.payload + 4].copy_from_slice(&ports);
    }
    let ends = Ends { source: SocketAddr::new(source, 0), destination: SocketAddr::new(destination, 0) };
    rewrite(bytes, packet, &ends);
    bytes[start + 2..start + 4].fill(0);
    let mut covered = Vec::new();
    if packet.protocol == number::ICMPV6 {
        let length = u32::try_from(packet.length - start).unwrap_or(u32::MAX);
        covered.extend(addresses(source, destination));
        covered.extend(length.to_be_bytes());
        covered.extend([0, 0, 0, number::ICMPV6]);
    }
    covered.extend(&bytes[start..packet.length]);
    let sum = !checksum::sum(&covered);
    bytes[start + 2..start + 4].copy_from_slice(&sum.to_be_bytes());
}

/// Takes a hop from a packet's life.
pub fn age(bytes: &mut [u8], packet: &Packet) {
    if packet.source.is_ipv4() {
        let before = [bytes[8], bytes[9]];
        bytes[8] = packet.hops.saturating_sub(1);
        let after = [bytes[8], bytes[9]];
        change(bytes, 10, &before, &after, false);
    } else {
        bytes[7] = packet.hops.saturating_sub(1);
    }
}

/// Updates the checksum at an offset. Where zero means "none", a sum of zero is written as its other form.
fn change(bytes: &mut [u8], at: usize, before: &[u8], after: &[u8], zero_is_none: bool) {
    let sum = checksum::updated(u16::from_be_bytes([bytes[at], bytes[at + 1]]), before, after);
    let sum = if sum == 0 && zero_is_none { u16::MAX } else { sum };
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

fn addresses(source: IpAddr, destination: IpAddr) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => [source.octets(), destination.octets()].concat(),
        (IpAddr::V6(source), IpAddr::V6(destination)) => [source.octets(), destination.octets()].concat(),
        _ => Vec::new(),
    }
}

fn ports(source: u16, destination: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (source.to_be_bytes(), destination.to_be_bytes());
    [a, b, c, d]
}
