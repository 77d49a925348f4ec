//! Flows about packets that are dropped for another reason than policy.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use verdikt_scenario::flow::{DropReason, Flow, FlowDirection, FlowEnd, FlowKind, FlowProtocol, FlowVerdict};

use super::connection::flow_protocol;
use super::identity::WORLD;
use super::{Datapath, Effects, LinkId, LinkOwner};
use crate::packet::{Headers, Tuple, Unreadable};

/// Why a packet is not forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Nothing to report, or reported already.
    Silently,
    /// Dropped for this reason.
    Because(DropReason, Option<(Tuple, FlowProtocol)>),
}

impl Dropped {
    pub(super) fn because(reason: DropReason, headers: &Headers) -> Self {
        let protocol = flow_protocol(&headers.tuple, headers.content.icmp_kind());
        Self::Because(reason, Some((headers.tuple, protocol)))
    }

    /// It is invalid, with the reason.
    pub(super) fn odd(words: &str, headers: &Headers) -> Self {
        Self::because(DropReason::Malformed(words.to_owned()), headers)
    }
}

impl From<Unreadable> for Dropped {
    fn from(unreadable: Unreadable) -> Self {
        Self::Because(DropReason::Malformed(unreadable.to_string()), None)
    }
}

impl Datapath {
    /// Reports a drop, unless the link has had too many.
    pub(super) fn report(&mut self, from: LinkId, dropped: &Dropped, at: Duration, effects: &mut Effects) {
        let Dropped::Because(reason, packet) = dropped else { return };
        let Some(link) = self.links.get_mut(&from) else { return };
        if !link.may_report_drop(at) {
            return;
        }
        // Of a packet that cannot be read only the sender is known.
        let own = match &link.owner {
            LinkOwner::Endpoint { addresses, .. } => addresses.first().copied(),
            LinkOwner::Proxy => None,
        };
        let nobody = IpAddr::from(Ipv4Addr::UNSPECIFIED);
        let unread = Tuple {
            source: own.unwrap_or(nobody),
            destination: nobody,
            source_port: 0,
            destination_port: 0,
            protocol: 0,
        };
        let (tuple, protocol) = packet.unwrap_or((unread, FlowProtocol::Other(0)));
        let [source, destination] = self.ends(&tuple, protocol);
        effects.flows.push(Flow {
            at,
            kind: FlowKind::Drop,
            verdict: FlowVerdict::Dropped,
            direction: FlowDirection::Egress,
            source,
            client: None,
            destination,
            protocol,
            drop_reason: Some(reason.clone()),
            match_type: 0,
            policies: Vec::new(),
            request: None,
        });
    }

    /// Both ends of a packet, as in flows.
    pub(super) fn ends(&self, tuple: &Tuple, protocol: FlowProtocol) -> [FlowEnd; 2] {
        let end = |address: IpAddr, port: u16| {
            let owner = self.addresses.get(&address).and_then(|link| self.links.get(link));
            let (identity, endpoint) = match owner.map(|link| &link.owner) {
                Some(LinkOwner::Endpoint { endpoint, identity, .. }) => (*identity, Some(endpoint.clone())),
                _ => (WORLD, None),
            };
            let port = matches!(protocol, FlowProtocol::Port(_)).then_some(port);
            FlowEnd { address, port, identity, endpoint }
        };
        [end(tuple.source, tuple.source_port), end(tuple.destination, tuple.destination_port)]
    }
}
