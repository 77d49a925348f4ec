//! Finds rules that cannot be combined.

use std::sync::Arc;

use verdikt_scenario::precedence::Tier;

use super::{Conflict, PolicyModel, PolicySide};
use crate::rule::{Effect, Entity, PeerMatcher, Peers, PortRule, Ports, Proxy, RuleEntry};

impl PolicyModel<'_> {
    /// Rules about the same port and peer that contradict each other cannot be merged: the agent then fails to
    /// compute the endpoint's policy, and keeps the version before.
    pub(super) fn find_conflict(&self, side: &PolicySide) -> Option<Conflict> {
        let mut seen: Vec<EntryFilter<'_>> = Vec::new();
        for &index in &side.entries {
            let entry = self.entry(index);
            // Each tier has filters of its own, and those of a ClusterNetworkPolicy never contradict each other.
            if entry.effect == Effect::Deny || entry.precedence.tier != Tier::Normal {
                continue;
            }
            let ports: Vec<Option<&PortRule>> = match &entry.ports {
                Ports::All => vec![None],
                Ports::OneOf(rules) => rules.iter().map(Some).collect(),
            };
            for port in ports {
                let filter = EntryFilter { index, entry, port };
                if filter.proxy().is_none() && entry.authentication.is_none() {
                    continue;
                }
                let conflict = seen.iter().find_map(|other| {
                    let what = self.contradiction_between(other, &filter)?;
                    Some(Conflict { entries: [other.index, index], what })
                });
                if conflict.is_some() {
                    return conflict;
                }
                seen.push(filter);
            }
        }
        None
    }

    fn contradiction_between(&self, one: &EntryFilter<'_>, other: &EntryFilter<'_>) -> Option<&'static str> {
        let same_ports = match (one.port, other.port) {
            (None, None) => true,
            (Some(one), Some(other)) => one.matcher.same_ports(&other.matcher),
            _ => false,
        };
        if !same_ports {
            return None;
        }
        let same_peer = share_peer(&one.entry.peers, &other.entry.peers);
        let proxies = one.proxy().zip(other.proxy());
        // The rules of one list of ports are combined.
        let in_order = one.index.0 == other.index.0;
        let merge = proxies.is_none_or(|(first, second)| {
            Arc::ptr_eq(first, second) || first.merges_with(second) || in_order && first.takes_in(second)
        });
        if !merge && (same_peer || self.behaviour.l7_kinds_conflict_per_port) {
            return Some("two kinds of L7 rules");
        }
        let modes = one.entry.authentication.zip(other.entry.authentication);
        let agree = modes.is_none_or(|(one, other)| one == other);
        (!agree && same_peer).then_some("two modes of authentication")
    }
}

/// What an allow entry says of one port, or of all traffic.
struct EntryFilter<'a> {
    index: (usize, usize),
    entry: &'a RuleEntry,
    port: Option<&'a PortRule>,
}

impl<'a> EntryFilter<'a> {
    fn proxy(&self) -> Option<&'a Arc<Proxy>> {
        self.port.and_then(|port| port.proxy.as_ref())
    }
}

fn share_peer(one: &Peers, other: &Peers) -> bool {
    let everyone = |peers: &Peers| match peers {
        Peers::Any => true,
        Peers::OneOf(peers) => peers.iter().any(|peer| peer.matcher == PeerMatcher::Entity(Entity::All)),
    };
    match (one, other) {
        _ if everyone(one) && everyone(other) => true,
        (Peers::OneOf(one), Peers::OneOf(other)) => {
            one.iter().any(|peer| other.iter().any(|candidate| candidate.matcher == peer.matcher))
        }
        _ => false,
    }
}
