//! The ports of datagrams that come in parts: only the first part has them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::LinkId;
use crate::packet::{Ends, Packet, Transport};

/// How long later parts may take. <https://www.rfc-editor.org/rfc/rfc791#section-3.2>
const LIFETIME: Duration = Duration::from_secs(15);
/// How many datagrams are remembered for one link.
const PER_LINK: usize = 1_024;

/// One datagram of one link.
type Datagram = (LinkId, IpAddr, IpAddr, u8, u32);

/// Datagrams whose first part has been seen.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    known: HashMap<Datagram, (Ends, Duration)>,
    by_link: HashMap<LinkId, usize>,
}

impl Fragments {
    /// The ends of a packet; none for a later part of a datagram whose first part was not seen.
    pub(super) fn ends(&mut self, from: LinkId, packet: &Packet, at: Duration) -> Option<Ends> {
        let Some(fragment) = packet.fragment else { return Some(own_ends(packet)) };
        let datagram = (from, packet.source, packet.destination, packet.protocol, fragment.identification);
        if !fragment.first {
            return self.known.get(&datagram).map(|(ends, _)| *ends);
        }
        let ends = own_ends(packet);
        let count = self.by_link.entry(from).or_default();
        if *count < PER_LINK && self.known.insert(datagram, (ends, at)).is_none() {
            *count += 1;
        }
        Some(ends)
    }

    pub(super) fn expire(&mut self, at: Duration) {
        self.known.retain(|(link, ..), (_, seen)| {
            let keep = at.saturating_sub(*seen) <= LIFETIME;
            if !keep && let Some(count) = self.by_link.get_mut(link) {
                *count -= 1;
            }
            keep
        });
    }
}

/// The ends a packet has by itself. The identifier of an echo is the port of the side that asked.
pub(super) fn own_ends(packet: &Packet) -> Ends {
    let (source, destination) = match packet.transport {
        Transport::Ports { source, destination, .. } => (source, destination),
        Transport::Icmp { kind: 8 | 128, echo: Some(identifier), .. } => (identifier, 0),
        Transport::Icmp { echo: Some(identifier), .. } => (0, identifier),
        Transport::Icmp { .. } | Transport::Unknown => (0, 0),
    };
    Ends {
        source: SocketAddr::new(packet.source, source),
        destination: SocketAddr::new(packet.destination, destination),
    }
}
