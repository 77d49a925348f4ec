//! Forwards packets, and handles those of known connections.

use std::time::Duration;

use verdikt_scenario::flow::{DropReason, FlowVerdict};

use super::connection::ConnectionDirection;
use super::connections::{ConnectionKey, ConnectionSlot};
use super::decide::Route;
use super::link::DENIAL_REPORTED_EVERY;
use super::report::Dropped;
use super::{Datapath, Effects, LinkId};
use crate::packet::{self, Headers, PacketContent, TCP, Tuple, rewrite};

/// The destination of a packet, with its new addresses and ports.
pub(super) type ForwardTarget = (LinkId, Tuple);

impl Datapath {
    pub(super) fn forward(
        &mut self,
        from: LinkId,
        packet: &mut [u8],
        at: Duration,
        effects: &mut Effects,
    ) -> Result<(), Dropped> {
        let link = self.links.get_mut(&from).ok_or(Dropped::Silently)?;
        let mut headers = packet::parse(packet)?;
        if headers.is_for_neighbours() {
            return Err(Dropped::Silently);
        }
        if !link.owns(headers.tuple.source) {
            return Err(Dropped::because(DropReason::InvalidSourceAddress, &headers));
        }
        if headers.content == PacketContent::Other {
            return Err(Dropped::odd(
                "its protocol is not carried: neither TCP nor UDP nor SCTP nor ICMP",
                &headers,
            ));
        }
        if headers.hops <= 1 {
            return Err(Dropped::odd("its time to live has run out", &headers));
        }
        if let Some(fragment) = headers.fragment {
            link.fragments.complete(&mut headers, fragment, at)?;
        }
        if matches!(headers.content, PacketContent::IcmpError { .. })
            && self.forward_related(from, packet, &headers, at, effects)?
        {
            return Ok(());
        }
        let (to, tuple) = self.next(from, &headers, at, effects)?;
        let packet = &mut packet[..headers.length];
        rewrite::forward(packet, &headers, &tuple);
        effects.packets.push((to, packet.to_vec()));
        Ok(())
    }

    fn next(
        &mut self,
        from: LinkId,
        headers: &Headers,
        at: Duration,
        effects: &mut Effects,
    ) -> Result<ForwardTarget, Dropped> {
        let key = ConnectionKey { link: from, tuple: headers.tuple };
        let Some((slot, way)) = self.connections.find(&key, at) else {
            return self.open(from, headers, at, effects);
        };
        let opens = matches!(headers.content, PacketContent::Tcp(flags) if flags.opens());
        if opens
            && self.connections.get(slot).is_some_and(|old| old.life.is_closing() || old.blocked.is_some())
        {
            self.connections.forget(slot);
            return self.open(from, headers, at, effects);
        }
        if way == ConnectionDirection::Original && self.needs_decision(slot, at) {
            self.decide_again(slot, headers, at, effects)?;
        }
        let Some(connection) = self.connections.get_mut(slot) else {
            return self.open(from, headers, at, effects);
        };
        if connection.blocked.is_some() && way == ConnectionDirection::Original {
            return Err(Dropped::Silently);
        }
        connection.life.touch(headers.content, way, at);
        Ok(match way {
            ConnectionDirection::Original => (connection.to, connection.outgoing),
            ConnectionDirection::Reply => (connection.from, connection.incoming.reversed()),
        })
    }

    /// Whether the policy has changed since a connection was decided, or its denial must be reported again.
    fn needs_decision(&self, slot: ConnectionSlot, at: Duration) -> bool {
        let Some(connection) = self.connections.get(slot) else { return false };
        let Some(revision) = connection.decided else { return false };
        revision != self.policy.revision()
            || connection.blocked.is_some_and(|since| at >= since + DENIAL_REPORTED_EVERY)
    }

    /// Decides again about an established connection by the current policy. It stops what the policy now denies, and
    /// a TCP connection that must now go through a proxy, or no longer: neither end could continue it. Other
    /// connections are opened again.
    fn decide_again(
        &mut self,
        slot: ConnectionSlot,
        headers: &Headers,
        at: Duration,
        effects: &mut Effects,
    ) -> Result<(), Dropped> {
        let Some(ends) = self.connections.get(slot).map(|connection| connection.ends.clone()) else {
            return Ok(());
        };
        let decided = self.decide(&ends, at);
        let revision = self.policy.revision();
        let Some(connection) = self.connections.get_mut(slot) else { return Ok(()) };
        let before = match &connection.redirect {
            Some(redirect) => Route::Proxy(redirect.kind, redirect.direction),
            None => Route::Pass,
        };
        connection.decided = Some(revision);
        let has_state = headers.tuple.protocol == TCP;
        // A datagram may be of another attempt with the same port: that it is audited is reported under each policy.
        let is_audited =
            before == Route::Pass && decided.flows.iter().any(|flow| flow.verdict == FlowVerdict::Audit);
        if decided.route == before && (has_state || !is_audited) {
            connection.blocked = None;
            return Ok(());
        }
        // A connection without state is opened again, with all its reports.
        let opens = matches!(headers.content, PacketContent::Tcp(flags) if flags.opens());
        let denied = decided.route == Route::Vanish;
        if opens || (!has_state && !denied) {
            self.connections.forget(slot);
            return Ok(());
        }
        connection.blocked = Some(at);
        if denied {
            effects.flows.extend(decided.flows.into_iter().last());
            return Ok(());
        }
        Err(Dropped::odd("its connection was opened before the policy sent it to, or past, a proxy", headers))
    }
}
