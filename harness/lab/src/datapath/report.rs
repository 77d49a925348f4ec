//! Flows about packets.

use std::net::SocketAddr;
use std::time::Duration;

use verdikt_engine::rule::Direction;
use verdikt_engine::ruling::Ruling;
use verdikt_scenario::flow::{DropReason, Flow, FlowDirection, FlowEnd, FlowKind, FlowProtocol, FlowVerdict};
use verdikt_scenario::topology::Protocol;

use super::judge::Passage;
use super::{Datapath, Effects, LinkId, LinkOwner};
use crate::packet::{Ends, Packet, Transport, number};

/// The identity of an address outside the cluster.
const WORLD: u32 = 2;

impl Datapath {
    #[expect(clippy::too_many_arguments, reason = "a flow has this many parts")]
    pub(super) fn tell_verdict(
        &mut self,
        direction: Direction,
        passage: &Passage,
        ruling: &Ruling,
        verdict: FlowVerdict,
        drop_reason: Option<DropReason>,
        at: Duration,
        effects: &mut Effects,
    ) {
        if matches!(verdict, FlowVerdict::Dropped | FlowVerdict::Error) {
            let link = self.by_address.get(&passage.ends.source.ip()).copied().unwrap_or(LinkId(0));
            if !self.limits.tell_denial(link, passage.packet.protocol, passage.ends, at) {
                return;
            }
        }
        let mut policies: Vec<String> = ruling.rules.iter().map(|rule| rule.object.short()).collect();
        policies.sort();
        policies.dedup();
        effects.flows.push(Flow {
            at,
            kind: FlowKind::PolicyVerdict,
            verdict,
            direction: flow_direction(direction),
            source: self.flow_end(passage.ends.source, &passage.packet),
            destination: self.flow_end(passage.ends.destination, &passage.packet),
            protocol: protocol_of(&passage.packet),
            drop_reason,
            match_type: ruling.match_kind.number(),
            policies,
            request: None,
        });
    }

    /// Tells of a packet that no policy dropped.
    pub(super) fn lose(
        &mut self,
        from: LinkId,
        packet: &Packet,
        ends: &Ends,
        reason: DropReason,
        at: Duration,
        effects: &mut Effects,
    ) {
        if !self.limits.tell_drop(from, at) {
            return;
        }
        effects.flows.push(Flow {
            at,
            kind: FlowKind::Drop,
            verdict: FlowVerdict::Dropped,
            direction: FlowDirection::Egress,
            source: self.flow_end(ends.source, packet),
            destination: self.flow_end(ends.destination, packet),
            protocol: protocol_of(packet),
            drop_reason: Some(reason),
            match_type: 0,
            policies: Vec::new(),
            request: None,
        });
    }

    /// Tells of bytes that are no packet.
    pub(super) fn lose_unreadable(
        &mut self,
        from: LinkId,
        reason: DropReason,
        at: Duration,
        effects: &mut Effects,
    ) {
        let Some(LinkOwner::Endpoint { endpoint, addresses, identity }) = self.links.get(&from) else {
            return;
        };
        let Some(address) = addresses.first().copied() else { return };
        let source = FlowEnd { address, port: None, identity: *identity, endpoint: Some(endpoint.clone()) };
        if !self.limits.tell_drop(from, at) {
            return;
        }
        let unspecified = match address {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        effects.flows.push(Flow {
            at,
            kind: FlowKind::Drop,
            verdict: FlowVerdict::Dropped,
            direction: FlowDirection::Egress,
            source,
            destination: FlowEnd { address: unspecified, port: None, identity: 0, endpoint: None },
            protocol: FlowProtocol::Other(0),
            drop_reason: Some(reason),
            match_type: 0,
            policies: Vec::new(),
            request: None,
        });
    }

    fn flow_end(&self, socket: SocketAddr, packet: &Packet) -> FlowEnd {
        let owner = self.by_address.get(&socket.ip()).and_then(|link| self.links.get(link));
        let (identity, endpoint) = match owner {
            Some(LinkOwner::Endpoint { endpoint, identity, .. }) => (*identity, Some(endpoint.clone())),
            _ => (WORLD, None),
        };
        let port = matches!(packet.transport, Transport::Ports { .. }).then_some(socket.port());
        FlowEnd { address: socket.ip(), port, identity, endpoint }
    }
}

pub(super) fn flow_direction(direction: Direction) -> FlowDirection {
    match direction {
        Direction::Egress => FlowDirection::Egress,
        Direction::Ingress => FlowDirection::Ingress,
    }
}

fn protocol_of(packet: &Packet) -> FlowProtocol {
    match (packet.protocol, packet.transport) {
        (number::TCP, _) => FlowProtocol::Port(Protocol::Tcp),
        (number::UDP, _) => FlowProtocol::Port(Protocol::Udp),
        (number::SCTP, _) => FlowProtocol::Port(Protocol::Sctp),
        (number::ICMP, Transport::Icmp { kind, .. }) => FlowProtocol::Icmp { v6: false, kind },
        (number::ICMPV6, Transport::Icmp { kind, .. }) => FlowProtocol::Icmp { v6: true, kind },
        (other, _) => FlowProtocol::Other(other),
    }
}
