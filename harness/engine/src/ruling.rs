//! The policy as a datapath asks it: packet by packet, query by query, request by request.

use std::net::IpAddr;
use std::sync::Arc;

use verdikt_scenario::attempt::Scheme;
use verdikt_scenario::prediction::{Finding, RuleRef};
use verdikt_scenario::topology::Endpoint;

use crate::decide::{Decision, Match, SideVerdict, Traffic};
use crate::explain::Query;
pub use crate::explain::{Hello, NO_QUERY};
pub use crate::http::{JudgedTarget, RequestHead, RequestTarget, normalize, read_request, read_target};
use crate::identity::Identity;
use crate::label::Label;
use crate::model::{PolicyModel, SubjectState};
use crate::rule::{Direction, PeerMatcher, Peers, PortMatcher, Ports, Proxy, TlsSecrets};

/// What the policy of one endpoint in one direction says of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The verdict.
    pub verdict: SideVerdict,
    /// On what the deciding rule matched.
    pub match_kind: MatchKind,
    /// The proxy that judges further, where the verdict is a redirect to one.
    pub proxy: Option<ProxyKind>,
    /// The rules that allow or deny it; none where nothing isolates the endpoint, or nothing allows it.
    pub rules: Vec<Arc<RuleRef>>,
    /// Why the engine does not know, where it does not.
    pub gap: Option<String>,
}

impl Ruling {
    /// That of an endpoint without a policy.
    pub fn not_enforced() -> Self {
        Self {
            verdict: SideVerdict::NotEnforced,
            match_kind: MatchKind::None,
            proxy: None,
            rules: Vec::new(),
            gap: None,
        }
    }
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxyKind {
    /// DNS.
    Dns,
    /// HTTP.
    Http,
    /// The beginning of TLS.
    Tls,
}

/// Hubble's `policy_match_type`.
/// <https://docs.cilium.io/en/stable/_api/v1/flow/README/#flow-Flow>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchKind {
    /// Nothing matched.
    #[default]
    None,
    /// The peer.
    PeerOnly,
    /// The peer and the port.
    PeerAndPort,
    /// The port, whoever the peer.
    PortOnly,
    /// A rule about everything.
    All,
    /// The peer and the protocol.
    PeerAndProtocol,
    /// The protocol, whoever the peer.
    ProtocolOnly,
}

impl MatchKind {
    /// The number Hubble has for it.
    pub fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::PeerOnly => 1,
            Self::PeerAndPort => 2,
            Self::PortOnly => 3,
            Self::All => 4,
            Self::PeerAndProtocol => 5,
            Self::ProtocolOnly => 6,
        }
    }
}

impl PolicyModel<'_> {
    /// The identity of an endpoint of the topology.
    pub fn identity(&self, endpoint: &Endpoint) -> Option<&Identity> {
        self.subjects.get(endpoint).map(|subject| &subject.identity)
    }

    /// The identity of an address outside the cluster, with the names learned for it.
    pub fn world_identity(&self, address: IpAddr, names: Vec<String>) -> Identity {
        let is_plain = self.behaviour.world_label_is_of_both_families && !self.is_in_a_prefix(address);
        let world = is_plain.then(|| Label::reserved("world"));
        let api_server = self.api_servers.contains(&address).then(|| Label::reserved("kube-apiserver"));
        let more = self.groups.labels_of(address, &self.behaviour).into_iter().chain(world).chain(api_server);
        let world = if self.dual_stack { Identity::world_of_family } else { Identity::world };
        world(address, names).carrying(more)
    }

    /// Whether a prefix of some rule holds an address.
    fn is_in_a_prefix(&self, address: IpAddr) -> bool {
        let entries = self.rules.iter().flat_map(|rule| &rule.entries);
        let peers = entries.filter_map(|entry| match &entry.peers {
            Peers::Any => None,
            Peers::OneOf(peers) => Some(peers),
        });
        peers.flatten().any(|peer| match &peer.matcher {
            PeerMatcher::Cidr { within, except } => {
                within.iter().chain(except).any(|prefix| prefix.contains(&address))
            }
            _ => false,
        })
    }

    /// Whether what the policies of an endpoint deny passes, and is reported.
    pub fn audits(&self, endpoint: &Endpoint) -> bool {
        self.options.enforcement.audit || self.topology.audited.contains(endpoint)
    }

    /// Whether some endpoints are audited, and others not.
    pub fn audits_some(&self) -> bool {
        !self.options.enforcement.audit && !self.topology.audited.is_empty()
    }

    /// Whether an endpoint answers nothing.
    pub fn is_silent(&self, endpoint: &Endpoint) -> bool {
        self.topology.silent.contains(endpoint)
    }

    /// Whether two endpoints are in the network of one node: what they send each other meets no policy.
    pub fn are_one_node(&self, one: &Endpoint, other: &Endpoint) -> bool {
        let node = self.topology.node_of(one);
        node.is_some() && node == self.topology.node_of(other)
    }

    /// What the policy of `subject` says of a packet of or to a peer. Endpoints without a policy (nodes, the
    /// world, those the topology does not have) enforce nothing.
    pub fn rule_on(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
    ) -> Ruling {
        let Some((state, decision)) = self.asked(subject, direction, peer, traffic) else {
            return Ruling::not_enforced();
        };
        let deciding = if decision.denied.is_empty() { &decision.allowed } else { &decision.denied };
        let match_kind = deciding.first().map_or(MatchKind::None, |matched| {
            match_kind(&matched.entry.peers, &matched.entry.ports, matched.port.map(|port| &port.matcher))
        });
        let (rules, gap) = match self.finding(state, direction, peer, traffic, &decision) {
            Finding::Allowed { by } | Finding::Denied { by } => (by, None),
            Finding::Unknown { gap, .. } => (Vec::new(), Some(gap)),
            _ => (Vec::new(), None),
        };
        let proxy = proxy_kind(&decision);
        if decision.verdict == (SideVerdict::Allow { redirected: true }) && proxy.is_none() {
            let gap = Self::reach_gap(&decision);
            return Ruling { verdict: SideVerdict::Unknown, match_kind, proxy, rules, gap };
        }
        Ruling { verdict: decision.verdict, match_kind, proxy, rules, gap }
    }

    /// What the policy of `subject` finds about a packet of or to a peer, with every rule behind it. Endpoints without
    /// a policy find nothing.
    pub fn finding_on(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
    ) -> Finding {
        match self.asked(subject, direction, peer, traffic) {
            Some((state, decision)) => self.finding(state, direction, peer, traffic, &decision),
            None => Finding::NotIsolated,
        }
    }

    /// With what the HTTP proxy ends the TLS of a connection that was sent there, if it does.
    pub fn tls_interception(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
    ) -> Option<TlsSecrets> {
        let (_, decision) = self.asked(subject, direction, peer, traffic)?;
        Self::interception(&decision)
    }

    /// What the HTTP proxy finds about a request on a connection that was sent there, in TLS or not.
    pub fn rule_on_request(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
        request: &RequestHead<'_>,
        scheme: Scheme,
    ) -> Finding {
        match self.asked(subject, direction, peer, traffic) {
            Some((state, decision))
                if !matches!(decision.verdict, SideVerdict::Allow { redirected: true }) =>
            {
                self.finding(state, direction, peer, traffic, &decision)
            }
            Some((_, decision)) => self.http_finding(&decision, request, scheme),
            None => Finding::NotIsolated,
        }
    }

    /// What a proxy finds about the beginning of a connection that was sent there.
    pub fn rule_on_hello(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
        hello: Hello<'_>,
    ) -> Finding {
        match self.asked(subject, direction, peer, traffic) {
            Some((state, decision))
                if !matches!(decision.verdict, SideVerdict::Allow { redirected: true }) =>
            {
                self.finding(state, direction, peer, traffic, &decision)
            }
            Some((_, decision)) => self.hello_finding(&decision, hello),
            None => Finding::NotIsolated,
        }
    }

    /// What the DNS proxy finds about a query that was sent there.
    pub fn rule_on_query(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
        name: &str,
    ) -> Finding {
        let Some((state, decision)) = self.asked(subject, direction, peer, traffic) else {
            return Finding::NotIsolated;
        };
        let redirected = matches!(decision.verdict, SideVerdict::Allow { redirected: true });
        let query = Query { subject: state, server: peer, traffic, name };
        let judged = if redirected { self.dns_finding(&decision, &query) } else { None };
        judged.unwrap_or_else(|| self.finding(state, direction, peer, traffic, &decision))
    }

    fn reach_gap(decision: &Decision<'_>) -> Option<String> {
        decision.allowed.iter().find_map(|matched| match matched.proxy() {
            Some(Proxy::Unmodelled(what)) => Some(what.gap().to_owned()),
            _ => None,
        })
    }

    fn asked(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
    ) -> Option<(&SubjectState, Decision<'_>)> {
        let state = self.subjects.get(subject).filter(|state| state.is_managed)?;
        Some((state, self.decide(state, direction, peer, traffic)))
    }
}

fn proxy_kind(decision: &Decision<'_>) -> Option<ProxyKind> {
    if decision.verdict != (SideVerdict::Allow { redirected: true }) {
        return None;
    }
    let mut proxies = decision.allowed.iter().filter_map(Match::proxy);
    let dns = proxies.clone().any(|proxy| matches!(proxy, Proxy::Dns(_)));
    let http = proxies.clone().any(|proxy| matches!(proxy, Proxy::Http(_) | Proxy::HttpInTls { .. }));
    let names = proxies.any(|proxy| matches!(proxy, Proxy::ServerNames(_)));
    let kinds = [(dns, ProxyKind::Dns), (http, ProxyKind::Http), (names, ProxyKind::Tls)];
    kinds.into_iter().find(|(is_asked, _)| *is_asked).map(|(_, kind)| kind)
}

fn match_kind(peers: &Peers, ports: &Ports, port: Option<&PortMatcher>) -> MatchKind {
    let any_peer = matches!(peers, Peers::Any);
    let every_port = match (ports, port) {
        (Ports::All, _) | (_, None) => Some(true),
        (_, Some(PortMatcher::Range { protocol, first, last })) if (*first, *last) == (0, u16::MAX) => {
            Some(protocol.is_none())
        }
        _ => None,
    };
    match (any_peer, every_port) {
        (true, Some(true)) => MatchKind::All,
        (true, Some(false)) => MatchKind::ProtocolOnly,
        (true, None) => MatchKind::PortOnly,
        (false, Some(true)) => MatchKind::PeerOnly,
        (false, Some(false)) => MatchKind::PeerAndProtocol,
        (false, None) => MatchKind::PeerAndPort,
    }
}
