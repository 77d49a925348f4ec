//! What the policy of one side decides about every peer, with peers that it treats alike merged.

use std::collections::BTreeMap;

use verdikt_engine::decide::DecisionKind;
use verdikt_engine::identity::Identity;
use verdikt_engine::model::PolicyModel;
use verdikt_engine::model_endpoint::{ModelEndpoint, SideDecision, TrafficKind};
use verdikt_engine::rule::{Direction, Gap, PortMatcher, Ports, RuleEntry};

use crate::access::{AccessProfile, ProxyRules, SideAccess, pieces};
use crate::bits::Bits;
use crate::intern::Interner;

/// The peers that a side treats alike, with the decision.
#[derive(Clone, Debug)]
pub(crate) struct PeerClass {
    pub(crate) peers: Bits,
    /// By the number of the profile.
    pub(crate) profile: u32,
}

/// A model, its peers by number, and the peers that each entry matches.
pub(crate) struct PeerIndex<'p, 'm> {
    pub(crate) model: &'p PolicyModel<'m>,
    /// The identity of each peer; none if the model does not have it.
    pub(crate) identities: Vec<Option<&'p Identity>>,
    /// By rule and entry, the number of a set.
    pub(crate) set_of: Vec<Vec<u32>>,
    pub(crate) sets: Vec<Bits>,
}

impl PeerIndex<'_, '_> {
    /// what the policy of an endpoint in one direction decides about every peer.
    pub(crate) fn parts(
        &self,
        model_endpoint: &ModelEndpoint,
        direction: Direction,
        profiles: &mut Interner<AccessProfile<SideAccess>>,
    ) -> Vec<PeerClass> {
        let size = self.identities.len();
        let present = Bits::of(size, |peer| self.identities[peer].is_some());
        let (present, absent) = Bits::all(size).split(&present);
        let mut parts = Vec::new();
        let mut add = |peers: Bits, profile: AccessProfile<SideAccess>| {
            parts.push(PeerClass { peers, profile: profiles.number(profile) });
        };
        if !absent.is_empty() {
            add(absent, AccessProfile::uniform(&SideAccess::Absent));
        }
        if !model_endpoint.is_managed() {
            add(present, AccessProfile::uniform(&SideAccess::Pass));
        } else if model_endpoint.has_conflict() {
            add(present, AccessProfile::uniform(&SideAccess::Unknown));
        } else {
            for peers in self.alike(model_endpoint, direction, present) {
                let Some(peer) = peers.iter().next().and_then(|peer| self.identities[peer]) else { continue };
                let profile = self.profile(model_endpoint, direction, peer);
                add(peers, profile);
            }
        }
        parts
    }

    /// The groups of peers that the entries of a side distinguish.
    fn alike(&self, model_endpoint: &ModelEndpoint, direction: Direction, present: Bits) -> Vec<Bits> {
        let mut parts = vec![present];
        let split = |parts: Vec<Bits>, by: &Bits| -> Vec<Bits> {
            let halves = parts.into_iter().flat_map(|part| {
                let (inside, outside) = part.split(by);
                [inside, outside]
            });
            halves.filter(|part| !part.is_empty()).collect()
        };
        for &index in model_endpoint.entries(direction) {
            let entry = self.model.entry_at(index);
            if matches!(entry.gap, Some(Gap::Peers(_))) {
                continue;
            }
            if model_endpoint.has_requirements(direction) {
                let concerned = |peer: usize| {
                    self.identities[peer].is_some_and(|identity| {
                        self.model.concerns(model_endpoint, direction, entry, identity)
                    })
                };
                parts = split(parts, &Bits::of(self.identities.len(), concerned));
            } else {
                parts = split(parts, &self.sets[self.set_of[index.0][index.1] as usize]);
            }
        }
        // The node of the pods is allowed without a rule, and is a remote node to the rules of other nodes.
        let is_host = |peer: usize| self.identities[peer].is_some_and(Identity::is_local_host);
        let parts = split(parts, &Bits::of(self.identities.len(), is_host));
        match direction {
            Direction::Ingress => parts,
            Direction::Egress => self.by_port_names(model_endpoint, parts),
        }
    }

    /// Separates peers whose port names mean different numbers in the egress rules of an endpoint.
    fn by_port_names(&self, model_endpoint: &ModelEndpoint, parts: Vec<Bits>) -> Vec<Bits> {
        let names: Vec<&PortMatcher> = model_endpoint
            .entries(Direction::Egress)
            .iter()
            .flat_map(|index| matchers(self.model.entry_at(*index)))
            .filter(|matcher| matches!(matcher, PortMatcher::Name { .. }))
            .collect();
        // If the whole cluster has one table of port names, they distinguish no destinations.
        if names.is_empty() || !self.model.resolves_names_per_destination() {
            return parts;
        }
        let mut split = Vec::new();
        for part in parts {
            let mut by_numbers: BTreeMap<Vec<Option<(u16, u16)>>, Bits> = BTreeMap::new();
            for peer in part.iter() {
                let Some(identity) = self.identities[peer] else { continue };
                let numbers = numbers(self.model, &names, identity, Direction::Egress);
                let size = self.identities.len();
                by_numbers.entry(numbers).or_insert_with(|| Bits::none(size)).insert(peer);
            }
            split.extend(by_numbers.into_values());
        }
        split
    }

    /// what the policy of an endpoint decides about one peer, interval by interval.
    fn profile(
        &self,
        model_endpoint: &ModelEndpoint,
        direction: Direction,
        peer: &Identity,
    ) -> AccessProfile<SideAccess> {
        let destination = if direction == Direction::Ingress { model_endpoint.identity() } else { peer };
        let entries: Vec<&RuleEntry> =
            model_endpoint.entries(direction).iter().map(|index| self.model.entry_at(*index)).collect();
        // The matching rules decide, so each set of matching rules is evaluated once.
        let mut judged: BTreeMap<Vec<usize>, SideAccess> = BTreeMap::new();
        let mut profile = AccessProfile::empty();
        for transport in TrafficKind::ALL {
            let spans = spans(self.model, &entries, transport, destination, direction);
            for piece in pieces(transport, spans.iter().flatten().copied()) {
                let first = piece.first;
                let covers =
                    |span: &Option<(u16, u16)>| span.is_some_and(|(from, to)| from <= first && first <= to);
                let matching = spans.iter().enumerate().filter(|(_, span)| covers(span));
                let matching = matching.map(|(index, _)| index).collect();
                let access = judged.entry(matching).or_insert_with(|| {
                    access(&self.model.decide_side(model_endpoint, direction, peer, transport.traffic(first)))
                });
                profile.push(piece, access.clone());
            }
        }
        profile
    }
}

/// The numbers of each port rule of some entries, one after another.
pub(crate) fn spans(
    model: &PolicyModel<'_>,
    entries: &[&RuleEntry],
    transport: TrafficKind,
    destination: &Identity,
    direction: Direction,
) -> Vec<Option<(u16, u16)>> {
    let mut spans = Vec::new();
    for entry in entries {
        match &entry.ports {
            Ports::All => spans.push(Some(transport.bounds())),
            Ports::OneOf(rules) => spans.extend(
                rules.iter().map(|rule| model.interval(&rule.matcher, transport, destination, direction)),
            ),
        }
    }
    spans
}

/// The numbers behind port names at a destination, by name and protocol.
pub(crate) fn numbers(
    model: &PolicyModel<'_>,
    names: &[&PortMatcher],
    destination: &Identity,
    direction: Direction,
) -> Vec<Option<(u16, u16)>> {
    let transports =
        TrafficKind::ALL.into_iter().filter(|transport| matches!(transport, TrafficKind::Ports(_)));
    let number = |(transport, name): (TrafficKind, &PortMatcher)| {
        model.interval(name, transport, destination, direction)
    };
    transports.flat_map(|transport| names.iter().map(move |name| (transport, *name))).map(number).collect()
}

/// The port matchers of an entry.
pub(crate) fn matchers(entry: &RuleEntry) -> impl Iterator<Item = &PortMatcher> {
    let rules = match &entry.ports {
        Ports::All => &[][..],
        Ports::OneOf(rules) => rules,
    };
    rules.iter().map(|rule| &rule.matcher)
}

/// The access that a decision gives.
pub(crate) fn access(decision: &SideDecision<'_>) -> SideAccess {
    match decision.kind {
        DecisionKind::NotEnforced | DecisionKind::LocalHost | DecisionKind::Allow { redirected: false } => {
            SideAccess::Pass
        }
        DecisionKind::Allow { redirected: true } => {
            let lines = decision.proxies.iter().flat_map(|proxy| proxy.lines()).collect();
            SideAccess::Proxy(ProxyRules { lines, open: decision.open })
        }
        DecisionKind::Denied | DecisionKind::NoRuleAllows => SideAccess::Deny,
        DecisionKind::Unknown | DecisionKind::Conflict => SideAccess::Unknown,
    }
}
