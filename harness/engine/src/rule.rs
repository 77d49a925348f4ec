//! Rules as the engine evaluates them: every kind of policy is translated to them.

mod peer;
mod text;

use std::fmt;
use std::sync::{Arc, OnceLock};

use ipnet::IpNet;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::place::Position;
use verdikt_scenario::precedence::Precedence;
use verdikt_scenario::prediction::RuleRef;
use verdikt_scenario::topology::Protocol;

use crate::dns::NamePattern;
use crate::http::HttpRule;
use crate::selector::Selector;
pub(crate) use peer::EmptyPeers;
pub use peer::{Entity, PeerField};

/// The direction of traffic, seen from the subject of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Towards the endpoint.
    Ingress,
    /// Away from it.
    Egress,
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Allows it.
    Allow,
    /// Denies it, whatever allows it.
    Deny,
    /// Leaves it to later tiers.
    Pass,
}

/// One specification: the endpoints it selects, and its entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The endpoints it selects.
    pub subject: Subject,
    /// One entry for each item of its lists.
    pub entries: Vec<RuleEntry>,
}

/// The endpoints that a rule selects.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Pods, and Cilium's own endpoints.
    Endpoints(Selector),
    /// Nodes; enforced only by the host firewall, if it is on.
    Nodes(Selector),
}

/// One item of one list of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleEntry {
    /// Its direction.
    pub direction: Direction,
    /// Its effect.
    pub effect: Effect,
    /// Its place in the order of all rules.
    pub precedence: Precedence,
    /// Whether its presence isolates the endpoint in its direction.
    pub isolates: bool,
    /// Its peers.
    pub peers: Peers,
    /// Requirements on peers that are selected by labels, in every entry of this direction and effect that selects
    /// the same endpoint (`fromRequires`, `toRequires`; until Cilium 1.18).
    pub requires: Vec<Selector>,
    /// Its traffic.
    pub ports: Ports,
    /// Whether it requires mutual authentication.
    pub authentication: Option<Authentication>,
    /// What the engine does not model of it.
    pub gap: Option<Gap>,
    /// Its position.
    pub origin: EntryOrigin,
    /// Its position as reports show it.
    pub(crate) reference: RuleReference,
}

/// The mutual authentication that an entry requires.
/// <https://docs.cilium.io/en/stable/network/servicemesh/mutual-authentication/mutual-authentication/>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is spelled as in a policy")]
pub enum Authentication {
    Required,
    Disabled,
    TestAlwaysFail,
}

/// The peers of an entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Peers {
    /// Every peer.
    Any,
    /// Any of these; an empty list matches no peer.
    OneOf(Vec<Peer>),
}

/// One peer of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// What it matches.
    pub matcher: PeerMatcher,
    /// The field that names it.
    pub field: PeerField,
    /// The index in that field.
    pub index: usize,
    /// Its position.
    pub position: Position,
}

/// What a peer matches.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerMatcher {
    /// Endpoints of the cluster, by their labels.
    Selector(Selector),
    /// A group Cilium defines.
    Entity(Entity),
    /// Addresses outside the cluster: inside one of `within`, outside all of `except`.
    Cidr {
        /// The prefixes.
        within: Vec<IpNet>,
        /// The prefixes taken out of them.
        except: Vec<IpNet>,
    },
    /// Addresses with these labels of CIDR groups, outside all of `except`. Addresses that belong to no group have
    /// none, and neither have pods and nodes.
    CidrGroups {
        /// What the labels must be.
        selector: Selector,
        /// The prefixes taken out.
        except: Vec<IpNet>,
    },
    /// Addresses the DNS proxy has learned for a name.
    Name(NamePattern),
}

/// The traffic of an entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Ports {
    /// Every protocol and port.
    All,
    /// Any of these; an empty list matches nothing.
    OneOf(Vec<PortRule>),
}

/// One port, range or ICMP type of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct PortRule {
    /// What it matches.
    pub matcher: PortMatcher,
    /// What the traffic must fulfil at a proxy.
    pub proxy: Option<Arc<Proxy>>,
    /// Its index in its entry.
    pub path: PortPath,
    /// Its position.
    pub position: Position,
    /// Its position as reports show it.
    pub(crate) reference: RuleReference,
}

/// The position of a port rule in its entry: the index of the list and the index in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortPath {
    /// `toPorts[0].ports[1]`
    ToPorts(usize, usize),
    /// `icmps[0].fields[1]`
    Icmps(usize, usize),
    /// `ports[1]`
    Ports(usize),
    /// `protocols[1]`
    Protocols(usize),
    /// The DNS ports that `to[1].domainNames` opens.
    DomainNames(usize),
}

impl fmt::Display for PortPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ToPorts(list, index) => write!(f, "toPorts[{list}].ports[{index}]"),
            Self::Icmps(list, index) => write!(f, "icmps[{list}].fields[{index}]"),
            Self::Ports(index) => write!(f, "ports[{index}]"),
            Self::Protocols(index) => write!(f, "protocols[{index}]"),
            Self::DomainNames(index) => write!(f, "to[{index}].domainNames"),
        }
    }
}

/// What a port rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortMatcher {
    /// Ports by number, both ends included; 0 to 65535 means every port.
    Range {
        /// The protocol; none means TCP, UDP and SCTP.
        protocol: Option<Protocol>,
        /// The first port.
        first: u16,
        /// The last port.
        last: u16,
    },
    /// A port by its name at the destination, to the end of a range if one is given.
    Name {
        /// The protocol; none means TCP, UDP and SCTP.
        protocol: Option<Protocol>,
        /// The name, lower-case.
        name: String,
        /// The last port of a range that starts at the named one.
        end_port: Option<u16>,
    },
    /// An ICMP type; none means every type of the family.
    Icmp {
        /// Whether it is `ICMPv6`.
        v6: bool,
        /// The type.
        kind: Option<u8>,
    },
}

/// The name of a rule in reports, made on first use and then shared. It depends only on the rule, so two names of a
/// rule are always equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleReference(OnceLock<Arc<RuleRef>>);

impl RuleReference {
    /// Returns the name, which `make` makes on first use.
    pub(crate) fn get(&self, make: impl FnOnce() -> RuleRef) -> Arc<RuleRef> {
        Arc::clone(self.0.get_or_init(|| Arc::new(make())))
    }
}

impl PartialEq for RuleReference {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The secrets with which a proxy terminates the TLS of clients, and originates it to servers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsSecrets {
    /// The secret with the certificate that clients see.
    pub certificate: NamespacedName,
    /// The secret with the authorities by which servers are verified; none if the proxy forwards without TLS.
    pub authorities: Option<NamespacedName>,
}

/// The rules of a proxy.
#[derive(Clone, Debug, PartialEq)]
pub enum Proxy {
    /// HTTP requests: one of the rules must match.
    Http(Vec<HttpRule>),
    /// HTTP requests inside TLS that the proxy terminates: one of the rules must match.
    HttpInTls {
        /// The rules.
        rules: Vec<HttpRule>,
        /// The secrets with which the proxy terminates TLS, and originates it.
        secrets: TlsSecrets,
    },
    /// DNS queries: one of the patterns must match.
    Dns(Vec<NamePattern>),
    /// TLS connections: one of the patterns must match the server name of the handshake.
    ServerNames(Vec<NamePattern>),
    /// Something the engine does not model.
    Unmodelled(Unmodelled),
}

/// Rules of a proxy that the engine does not model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unmodelled {
    /// Requests inside TLS that the proxy terminates or originates.
    InsideTls,
    /// TLS that the proxy terminates with a secret of unknown content.
    UnknownSecret,
    /// TLS that the proxy terminates or originates with a secret that lacks what it needs.
    IncompleteSecret,
    /// Kafka rules.
    Kafka,
    /// Generic L7 rules.
    GenericL7,
    /// A custom listener.
    Listener,
}

impl Unmodelled {
    /// The gap: completes "does not know …".
    pub fn gap(self) -> &'static str {
        match self {
            Self::InsideTls => "what a proxy sees inside TLS",
            Self::UnknownSecret => {
                "whether the secret exists with which the proxy terminates or originates TLS; name it under `secrets` of the topology"
            }
            Self::IncompleteSecret => {
                "what the proxy does with such a secret: for clients it needs `tls.crt` and `tls.key`, for servers `ca.crt`"
            }
            Self::Kafka => "what Kafka rules allow",
            Self::GenericL7 => "what generic L7 rules allow",
            Self::Listener => "what a custom listener does",
        }
    }
}

impl Proxy {
    /// What it allows, a line for each rule.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Http(rules) => rules.iter().map(|rule| format!("http {rule}")).collect(),
            Self::HttpInTls { rules, .. } => rules.iter().map(|rule| format!("https {rule}")).collect(),
            Self::Dns(patterns) => patterns.iter().map(|pattern| format!("dns {pattern}")).collect(),
            Self::ServerNames(names) => names.iter().map(|name| format!("tls {name}")).collect(),
            Self::Unmodelled(what) => vec![format!("unknown: {}", what.gap())],
        }
    }

    /// Whether the agent surely merges the rules of two entries at one port for one peer.
    pub(crate) fn merges_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(_), Self::Http(_))
            | (Self::Dns(_), Self::Dns(_))
            | (Self::ServerNames(_), Self::ServerNames(_)) => true,
            (Self::Unmodelled(one), Self::Unmodelled(other)) => one == other && *one == Unmodelled::Kafka,
            _ => false,
        }
    }

    /// Whether the agent merges the rules of a later entry of the same rule into these: HTTP rules into server names,
    /// but not the other way round.
    pub(crate) fn takes_in(&self, later: &Self) -> bool {
        matches!((self, later), (Self::ServerNames(_), Self::Http(_)))
    }
}

/// What the engine does not model of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// It matters for traffic that the entry matches.
    WhenMatched(&'static str),
    /// The peers of the entry are unknown.
    Peers(&'static str),
}

/// The position of an entry in its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryOrigin {
    /// The index of the object among the manifests.
    pub object: usize,
    /// The index in `specs`, or none for `spec`.
    pub spec: Option<usize>,
    /// The list.
    pub section: Section,
    /// The index in the list.
    pub index: usize,
    /// The position in the file.
    pub position: Position,
}

/// The lists of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is spelled as in a policy")]
pub enum Section {
    Ingress,
    IngressDeny,
    Egress,
    EgressDeny,
    /// The isolation that a `NetworkPolicy` requests by its `policyTypes`.
    PolicyTypes,
}

impl Section {
    /// The key in a policy.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::IngressDeny => "ingressDeny",
            Self::Egress => "egress",
            Self::EgressDeny => "egressDeny",
            Self::PolicyTypes => "policyTypes",
        }
    }
}

impl fmt::Display for EntryOrigin {
    /// The path in the object: `spec.ingress[0]`, `specs[1].egressDeny[2]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spec {
            None => f.write_str("spec")?,
            Some(index) => write!(f, "specs[{index}]")?,
        }
        match self.section {
            Section::PolicyTypes => f.write_str(".policyTypes"),
            section => write!(f, ".{}[{}]", section.word(), self.index),
        }
    }
}
