//! What a datapath asks of a policy model: decisions about packets, connections, DNS queries and HTTP requests.

use std::net::IpAddr;
use std::sync::Arc;

use verdikt_scenario::attempt::Scheme;
use verdikt_scenario::prediction::{Decision, RuleRef};
use verdikt_scenario::topology::Endpoint;

use crate::decide::{DecisionKind, Match, Matches, Traffic};
use crate::explain::Query;
pub use crate::explain::{ClientHello, NO_QUERY};
pub use crate::http::{JudgedTarget, RequestHead, RequestTarget, normalize, read_request, read_target};
use crate::identity::Identity;
use crate::label::Label;
use crate::model::{EndpointState, PolicyModel};
use crate::rule::{Direction, PeerMatcher, Peers, PortMatcher, Ports, Proxy, TlsSecrets};

/// What the policy of one endpoint in one direction decides about a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketDecision {
    /// What is decided.
    pub kind: DecisionKind,
    /// What the deciding rule matched on.
    pub match_kind: MatchKind,
    /// The proxy that decides further, where the packet is sent to one.
    pub proxy: Option<ProxyKind>,
    /// The rules that allow or deny it; none if the endpoint is not isolated, or no rule allows it.
    pub rules: Vec<Arc<RuleRef>>,
    /// Why the engine does not know, if so.
    pub gap: Option<String>,
}

impl PacketDecision {
    /// The decision of an endpoint without a policy.
    pub fn not_enforced() -> Self {
        Self {
            kind: DecisionKind::NotEnforced,
            match_kind: MatchKind::None,
            proxy: None,
            rules: Vec::new(),
            gap: None,
        }
    }
}

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxyKind {
    /// DNS.
    Dns,
    /// HTTP.
    Http,
    /// The handshake of TLS.
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
    /// The port, with any peer.
    PortOnly,
    /// A rule about all traffic.
    All,
    /// The peer and the protocol.
    PeerAndProtocol,
    /// The protocol, with any peer.
    ProtocolOnly,
}

impl MatchKind {
    /// Hubble's number for it.
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

    /// Whether a rule has a prefix that contains an address.
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

    /// Whether traffic that the policies of an endpoint deny passes, and is reported.
    pub fn audits(&self, endpoint: &Endpoint) -> bool {
        self.options.enforcement.audit || self.topology.audited.contains(endpoint)
    }

    /// Whether some endpoints are audited, but not all.
    pub fn audits_some(&self) -> bool {
        !self.options.enforcement.audit && !self.topology.audited.is_empty()
    }

    /// Whether an endpoint never answers.
    pub fn is_silent(&self, endpoint: &Endpoint) -> bool {
        self.topology.silent.contains(endpoint)
    }

    /// Whether two endpoints use the network of the same node: their traffic is subject to no policy.
    pub fn are_one_node(&self, one: &Endpoint, other: &Endpoint) -> bool {
        let node = self.topology.node_of(one);
        node.is_some() && node == self.topology.node_of(other)
    }

    /// Decides about a packet of or to a peer by the policy of `subject`. Endpoints without a policy (nodes, the
    /// world, those the topology does not have) enforce nothing.
    pub fn decide_packet(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
    ) -> PacketDecision {
        let Some((state, matches)) = self.asked(subject, direction, peer, traffic) else {
            return PacketDecision::not_enforced();
        };
        let deciding = if matches.denied.is_empty() { &matches.allowed } else { &matches.denied };
        let match_kind = deciding.first().map_or(MatchKind::None, |matched| {
            match_kind(&matched.entry.peers, &matched.entry.ports, matched.port.map(|port| &port.matcher))
        });
        let (rules, gap) = match self.decision(state, direction, peer, traffic, &matches) {
            Decision::Allowed { by } | Decision::Denied { by } => (by, None),
            Decision::Unknown { gap, .. } => (Vec::new(), Some(gap)),
            _ => (Vec::new(), None),
        };
        let proxy = proxy_kind(&matches);
        if matches.kind == (DecisionKind::Allow { redirected: true }) && proxy.is_none() {
            let gap = Self::reach_gap(&matches);
            return PacketDecision { kind: DecisionKind::Unknown, match_kind, proxy, rules, gap };
        }
        PacketDecision { kind: matches.kind, match_kind, proxy, rules, gap }
    }

    /// The same with every rule behind the decision.
    pub fn explain_packet(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
    ) -> Decision {
        match self.asked(subject, direction, peer, traffic) {
            Some((state, matches)) => self.decision(state, direction, peer, traffic, &matches),
            None => Decision::NotIsolated,
        }
    }

    /// The secrets with which the HTTP proxy terminates the TLS of a connection that was sent there, if it does.
    pub fn tls_interception(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
    ) -> Option<TlsSecrets> {
        let (_, matches) = self.asked(subject, direction, peer, traffic)?;
        Self::interception(&matches)
    }

    /// Decides about a request on a connection that was sent to the HTTP proxy, in TLS or not.
    pub fn decide_request(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
        request: &RequestHead<'_>,
        scheme: Scheme,
    ) -> Decision {
        match self.asked(subject, direction, peer, traffic) {
            Some((state, matches)) if !matches!(matches.kind, DecisionKind::Allow { redirected: true }) => {
                self.decision(state, direction, peer, traffic, &matches)
            }
            Some((_, matches)) => self.http_decision(&matches, request, scheme),
            None => Decision::NotIsolated,
        }
    }

    /// Decides about the start of a connection that was sent to a proxy.
    pub fn decide_hello(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
        hello: ClientHello<'_>,
    ) -> Decision {
        match self.asked(subject, direction, peer, traffic) {
            Some((state, matches)) if !matches!(matches.kind, DecisionKind::Allow { redirected: true }) => {
                self.decision(state, direction, peer, traffic, &matches)
            }
            Some((_, matches)) => self.hello_decision(&matches, hello),
            None => Decision::NotIsolated,
        }
    }

    /// Decides about a query that was sent to the DNS proxy.
    pub fn decide_query(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
        name: &str,
    ) -> Decision {
        let Some((state, matches)) = self.asked(subject, direction, peer, traffic) else {
            return Decision::NotIsolated;
        };
        let redirected = matches!(matches.kind, DecisionKind::Allow { redirected: true });
        let query = Query { subject: state, server: peer, traffic, name };
        let judged = if redirected { self.dns_decision(&matches, &query) } else { None };
        judged.unwrap_or_else(|| self.decision(state, direction, peer, traffic, &matches))
    }

    fn reach_gap(matches: &Matches<'_>) -> Option<String> {
        matches.allowed.iter().find_map(|matched| match matched.proxy() {
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
    ) -> Option<(&EndpointState, Matches<'_>)> {
        let state = self.subjects.get(subject).filter(|state| state.is_managed)?;
        Some((state, self.decide(state, direction, peer, traffic)))
    }
}

fn proxy_kind(matches: &Matches<'_>) -> Option<ProxyKind> {
    if matches.kind != (DecisionKind::Allow { redirected: true }) {
        return None;
    }
    let mut proxies = matches.allowed.iter().filter_map(Match::proxy);
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
