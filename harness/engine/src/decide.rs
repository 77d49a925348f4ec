//! What the entries decide for one endpoint, one direction and one peer.
//!
//! An explicit deny wins over every allow, and an allow over the default. Rules have no other order, except for the
//! tiers of a `ClusterNetworkPolicy`. <https://docs.cilium.io/en/stable/security/policy/intro/#rule-basics>

mod kind;
mod ordered;

use verdikt_scenario::policy::PolicyKind;
use verdikt_scenario::topology::{Endpoint, Protocol};

use crate::identity::{Identity, NamedPort};
use crate::model::{EndpointState, PolicyModel, PolicySide, Tiers};
use crate::rule::{
    Direction, Effect, Entity, Gap, Peer, PeerField, PeerMatcher, Peers, PortMatcher, PortRule, Ports, Proxy,
    RuleEntry,
};
pub use kind::DecisionKind;
pub(crate) use kind::OnMiss;

/// Traffic as policies see it, after a service's address has been translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// A packet to a port.
    Port(Protocol, u16),
    /// An ICMP message of a type.
    Icmp {
        /// Whether it is `ICMPv6`.
        v6: bool,
        /// The type.
        kind: u8,
    },
}

/// The entries of one endpoint in one direction that match traffic, and what they decide.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matches<'a> {
    /// Allow entries that match, once for each port rule that does.
    pub(crate) allowed: Vec<Match<'a>>,
    /// Deny entries that match.
    pub(crate) denied: Vec<Match<'a>>,
    /// Pass entries that match, of tiers before the deciding one.
    pub(crate) passed: Vec<Match<'a>>,
    /// Whether an entry after the deciding ones would allow it.
    pub(crate) allowed_later: bool,
    /// The first thing that is not modelled and may matter.
    pub(crate) gap: Option<(&'static str, (usize, usize))>,
    /// What happens to what no rule allows.
    pub(crate) on_miss: OnMiss,
    pub(crate) kind: DecisionKind,
}

impl<'a> Matches<'a> {
    /// The matches of entries with an effect.
    fn with_effect(&mut self, effect: Effect) -> &mut Vec<Match<'a>> {
        match effect {
            Effect::Allow => &mut self.allowed,
            Effect::Deny => &mut self.denied,
            Effect::Pass => &mut self.passed,
        }
    }
}

/// An entry that matches, with its matching port rule; none if the entry is about all traffic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Match<'a> {
    pub(crate) entry: &'a RuleEntry,
    pub(crate) port: Option<&'a PortRule>,
}

impl<'a> Match<'a> {
    pub(crate) fn proxy(&self) -> Option<&'a Proxy> {
        self.port.and_then(|port| port.proxy.as_deref())
    }

    /// How narrow it is: first by its ports, then by whether it names the peer.
    fn narrowness(&self) -> (u8, bool) {
        let ports = match self.port.map(|port| &port.matcher) {
            None => 0,
            Some(PortMatcher::Range { protocol, first: 0, last: u16::MAX }) => u8::from(protocol.is_some()),
            Some(PortMatcher::Range { first, last, .. }) if first < last => 2,
            Some(_) => 3,
        };
        (ports, !self.is_about_everyone())
    }

    fn is_about_everyone(&self) -> bool {
        let everyone = |peer: &Peer| peer.matcher == PeerMatcher::Entity(Entity::All);
        match &self.entry.peers {
            Peers::Any => true,
            Peers::OneOf(peers) => peers.iter().any(everyone),
        }
    }

    /// Whether it keeps another entry out of the agent's map: an entry that is about every peer and redirects to a
    /// proxy covers narrower ones at the same ports.
    fn covers(&self, other: &Self) -> bool {
        let (Some(port), Some(other_port)) = (self.port, other.port) else { return false };
        self.proxy().is_some()
            && self.is_about_everyone()
            && !other.is_about_everyone()
            && port.matcher.same_ports(&other_port.matcher)
    }
}

impl PolicyModel<'_> {
    /// Decides about traffic of or to `peer` by the policy of `subject` in one direction. At egress, named ports are
    /// those of the peer, at ingress those of the subject.
    pub(crate) fn decide(
        &self,
        subject: &EndpointState,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
    ) -> Matches<'_> {
        let side = subject.side(direction);
        let mut matches = Matches::default();
        // A conflict makes the policy of both directions unknown.
        if side.conflict.is_some() || subject.side(opposite(direction)).conflict.is_some() {
            matches.kind = DecisionKind::Conflict;
            return matches;
        }
        if !side.enforced {
            return matches;
        }
        let seen = peer.seen_by(&subject.identity);
        let peer = &*seen;
        let destination = if direction == Direction::Ingress { &subject.identity } else { peer };
        let ends = (peer, destination);
        match side.tiers {
            Tiers::Normal => self.match_all(side, direction, ends, traffic, &mut matches),
            Tiers::Several => self.match_in_order(side, direction, ends, traffic, &mut matches),
        }
        matches.on_miss = self.on_miss(side, direction, peer);
        matches.kind = self.kind_of(&matches);
        matches
    }

    /// Finds every entry that matches, if only deny and allow order them.
    fn match_all<'m>(
        &'m self,
        side: &PolicySide,
        direction: Direction,
        (peer, destination): (&Identity, &Identity),
        traffic: Traffic,
        matches: &mut Matches<'m>,
    ) {
        for &index in &side.entries {
            let entry = self.entry(index);
            let ports = entry.ports.matching(traffic, destination, self, direction);
            let mut ports = ports.peekable();
            if ports.peek().is_none() {
                continue;
            }
            if let Some(Gap::Peers(gap)) = entry.gap {
                matches.gap.get_or_insert((gap, index));
                continue;
            }
            if !self.is_about(side, entry, peer) {
                continue;
            }
            if let Some(Gap::WhenMatched(gap)) = entry.gap {
                matches.gap.get_or_insert((gap, index));
            }
            matches.with_effect(entry.effect).extend(ports.map(|port| Match { entry, port }));
        }
    }

    /// What happens at a side to traffic that no rule matches.
    fn on_miss(&self, side: &PolicySide, direction: Direction, peer: &Identity) -> OnMiss {
        let local_host =
            direction == Direction::Ingress && peer.is_local_host() && self.passes_local_host(side);
        match (side.isolated, local_host) {
            (false, _) => OnMiss::Pass,
            (true, true) => OnMiss::PassFromLocalHost,
            (true, false) => OnMiss::Deny,
        }
    }

    /// What the matches decide.
    fn kind_of(&self, matches: &Matches<'_>) -> DecisionKind {
        if !matches.denied.is_empty() {
            return DecisionKind::Denied;
        }
        if matches.gap.is_some() {
            return DecisionKind::Unknown;
        }
        if !matches.allowed.is_empty() {
            return DecisionKind::Allow { redirected: self.is_redirected(&matches.allowed) };
        }
        match matches.on_miss {
            OnMiss::Pass => DecisionKind::Allow { redirected: false },
            OnMiss::PassFromLocalHost => DecisionKind::LocalHost,
            OnMiss::Deny => DecisionKind::NoRuleAllows,
        }
    }

    /// Whether the matching allow entries send the traffic to a proxy.
    fn is_redirected(&self, allowed: &[Match<'_>]) -> bool {
        if !self.behaviour.most_specific_decides_redirect {
            return allowed.iter().any(|matched| matched.proxy().is_some());
        }
        let is_in_map = |matched: &&Match<'_>| !allowed.iter().any(|other| other.covers(matched));
        let in_map: Vec<&Match<'_>> = allowed.iter().filter(is_in_map).collect();
        let narrowest = in_map.iter().map(|matched| matched.narrowness()).max();
        in_map.iter().any(|matched| matched.proxy().is_some() && Some(matched.narrowness()) == narrowest)
    }

    /// Whether an entry that selects an endpoint matches a peer.
    pub(crate) fn is_about(&self, side: &PolicySide, entry: &RuleEntry, peer: &Identity) -> bool {
        if !side.requires {
            return entry.peers.contain(peer);
        }
        let pool =
            side.entries.iter().map(|index| self.entry(*index)).filter(|other| other.effect == entry.effect);
        let fulfils = pool.flat_map(|other| &other.requires).all(|selector| selector.selects(peer));
        match &entry.peers {
            // In a NetworkPolicy, "every peer" is a selector that selects everything.
            Peers::Any => {
                fulfils || self.objects[entry.origin.object].kind() != Some(PolicyKind::NetworkPolicy)
            }
            Peers::OneOf(peers) => peers
                .iter()
                .any(|candidate| candidate.matches(peer) && (fulfils || !candidate.is_chosen_by_labels())),
        }
    }

    /// Whether the node reaches a pod although no rule allows it.
    pub(crate) fn passes_local_host(&self, side: &PolicySide) -> bool {
        !side.entries.is_empty() || self.behaviour.local_host_reaches_pods_without_rules
    }

    /// What both sides decide about traffic between two endpoints: the source's egress policy, then the
    /// destination's ingress policy. None for an endpoint that has no policy (a node, the world) or is not known.
    pub fn sides(
        &self,
        source: &Endpoint,
        destination: &Endpoint,
        traffic: Traffic,
    ) -> (Option<DecisionKind>, Option<DecisionKind>) {
        let (Some(from), Some(to)) = (self.subjects.get(source), self.subjects.get(destination)) else {
            return (None, None);
        };
        let side = |subject: &EndpointState, direction, peer| {
            subject.is_managed.then(|| self.decide(subject, direction, peer, traffic).kind)
        };
        let egress = side(from, Direction::Egress, &to.identity);
        (egress, side(to, Direction::Ingress, &from.identity))
    }
}

fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    }
}

impl Peers {
    /// Whether no identity is among them.
    pub(crate) fn are_nobody(&self) -> bool {
        matches!(self, Self::OneOf(peers) if peers.is_empty())
    }

    /// Whether an identity is among them.
    pub fn contain(&self, identity: &Identity) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(peers) => peers.iter().any(|peer| peer.matches(identity)),
        }
    }
}

impl Peer {
    /// Whether it is written as a label selector, which `fromRequires` and `toRequires` narrow.
    fn is_chosen_by_labels(&self) -> bool {
        matches!(self.field, PeerField::Endpoints | PeerField::Peers)
            && matches!(self.matcher, PeerMatcher::Selector(_))
    }

    /// Whether it matches an identity.
    pub fn matches(&self, identity: &Identity) -> bool {
        match &self.matcher {
            PeerMatcher::Selector(selector) => selector.selects(identity),
            PeerMatcher::Entity(entity) => entity.contains(identity),
            PeerMatcher::Cidr { within, except } => identity.address.is_some_and(|address| {
                within.iter().any(|prefix| prefix.contains(&address))
                    && !except.iter().any(|prefix| prefix.contains(&address))
            }),
            PeerMatcher::CidrGroups { selector, except } => {
                let excepted = identity
                    .address
                    .is_some_and(|address| except.iter().any(|prefix| prefix.contains(&address)));
                selector.selects(identity) && !excepted
            }
            PeerMatcher::Name(pattern) => identity.names.iter().any(|name| pattern.matches(name)),
        }
    }
}

impl Ports {
    /// Whether the ports depend on what a destination declares.
    pub(crate) fn name_ports(&self) -> bool {
        matches!(self, Self::OneOf(rules) if rules.iter().any(|rule| matches!(rule.matcher, PortMatcher::Name { .. })))
    }

    /// The port rules that match the traffic; a single `None` if the entry is about all traffic.
    pub(crate) fn matching<'a>(
        &'a self,
        traffic: Traffic,
        destination: &Identity,
        model: &PolicyModel<'_>,
        direction: Direction,
    ) -> impl Iterator<Item = Option<&'a PortRule>> {
        let (all, rules) = match self {
            Self::All => (Some(None), &[][..]),
            Self::OneOf(rules) => (None, &rules[..]),
        };
        let matching = move |rule: &&PortRule| rule.matcher.matches(traffic, destination, model, direction);
        all.into_iter().chain(rules.iter().filter(matching).map(Some))
    }
}

impl PortMatcher {
    /// Whether it matches traffic to a destination.
    pub(crate) fn matches(
        &self,
        traffic: Traffic,
        destination: &Identity,
        model: &PolicyModel<'_>,
        direction: Direction,
    ) -> bool {
        match (self, traffic) {
            (Self::Range { protocol, first, last }, Traffic::Port(actual, port)) => {
                protocol.is_none_or(|protocol| protocol == actual) && (*first..=*last).contains(&port)
            }
            (Self::Name { protocol, name, end_port }, Traffic::Port(actual, port)) => {
                let end_port = end_port.filter(|_| model.named_ports_have_ends(direction));
                protocol.is_none_or(|protocol| protocol == actual)
                    && model
                        .resolve_port_name(name, actual, destination, direction)
                        .is_some_and(|first| (first..=end_port.unwrap_or(first).max(first)).contains(&port))
            }
            (Self::Icmp { v6, kind }, Traffic::Icmp { v6: actual, kind: actual_kind }) => {
                *v6 == actual && kind.is_none_or(|kind| kind == actual_kind)
            }
            _ => false,
        }
    }

    /// Whether two matchers mean the same ports, so that their rules are merged.
    pub(crate) fn same_ports(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Range { protocol, first, last },
                Self::Range { protocol: other_protocol, first: other_first, last: other_last },
            ) => {
                let shared = protocol.is_none() || other_protocol.is_none() || protocol == other_protocol;
                shared && (first, last) == (other_first, other_last)
            }
            _ => self == other,
        }
    }
}

impl PolicyModel<'_> {
    /// Whether a named port with an end is a range.
    pub(crate) fn named_ports_have_ends(&self, direction: Direction) -> bool {
        direction == Direction::Ingress || !self.behaviour.egress_port_names_per_destination
    }

    /// The number of a port name. At ingress the destination's own declaration counts; at egress that of all pods of
    /// its identity or, in older versions, one table for the whole cluster. A name with two numbers means nothing.
    pub(crate) fn resolve_port_name(
        &self,
        name: &str,
        protocol: Protocol,
        destination: &Identity,
        direction: Direction,
    ) -> Option<u16> {
        let find = |names: &[NamedPort]| {
            let named = names.iter().find(|named| named.name == name && named.protocol == protocol);
            named.map(|named| named.port)
        };
        if direction == Direction::Egress && self.options.peer_port_names_unknown {
            return None;
        }
        if direction == Direction::Ingress {
            return find(&destination.port_names);
        }
        if self.behaviour.egress_port_names_per_destination {
            return find(destination.shared_port_names.as_ref().unwrap_or(&destination.port_names));
        }
        let mut numbers = self.subjects.values().filter_map(|subject| find(&subject.identity.port_names));
        let first = numbers.next()?;
        numbers.all(|number| number == first).then_some(first)
    }
}
