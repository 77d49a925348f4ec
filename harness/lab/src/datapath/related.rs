//! ICMP errors about packets of known connections: they pass like the connections' answers.

use std::time::Duration;

use super::connection::ConnectionDirection;
use super::connections::ConnectionKey;
use super::report::Dropped;
use super::{Datapath, Effects, LinkId, LinkOwner};
use crate::packet::{Headers, Tuple, error, rewrite};

impl Datapath {
    /// Forwards an ICMP error about a packet of a known connection; false if there is no such connection.
    pub(super) fn forward_related(
        &mut self,
        from: LinkId,
        packet: &mut [u8],
        headers: &Headers,
        at: Duration,
        effects: &mut Effects,
    ) -> Result<bool, Dropped> {
        let Some(quoted) = error::quoted(packet, headers) else { return Ok(false) };
        // It goes back to the sender of the packet, in the way of an answer to that packet.
        if headers.tuple.destination != quoted.tuple.source {
            return Ok(false);
        }
        let key = ConnectionKey { link: from, tuple: quoted.tuple.reversed() };
        let Some((slot, way)) = self.connections.find(&key, at) else { return Ok(false) };
        let Some(connection) = self.connections.get(slot) else { return Ok(false) };
        let (to, inner) = match way {
            ConnectionDirection::Reply => (connection.from, connection.incoming),
            ConnectionDirection::Original if connection.blocked.is_some() => return Err(Dropped::Silently),
            ConnectionDirection::Original => (connection.to, connection.outgoing.reversed()),
        };
        let reported_by_the_end = headers.tuple.source == quoted.tuple.destination;
        let of_a_proxy = self.links.get(&from).is_some_and(|link| link.owner == LinkOwner::Proxy);
        if of_a_proxy && !reported_by_the_end {
            return Err(Dropped::Silently);
        }
        let source = if reported_by_the_end { inner.destination } else { headers.tuple.source };
        let outer = Tuple { source, destination: inner.source, ..headers.tuple };
        let packet = &mut packet[..headers.length];
        rewrite::forward(packet, headers, &headers.tuple);
        error::rewrite(packet, headers, &quoted, &outer, &inner);
        effects.packets.push((to, packet.to_vec()));
        Ok(true)
    }
}
