//! Rules as the engine evaluates them: what every kind of policy is translated into.

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
pub use peer::{Entity, PeerField};

/// The direction of traffic, seen from the endpoint a rule is for.
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
    /// Lets it pass.
    Allow,
    /// Drops it, whatever allows it.
    Deny,
    /// Leaves it to the tiers after the rule's own.
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
    /// Nodes; enforced by the host firewall alone, which is off.
    Nodes(Selector),
}

/// One item of one list of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleEntry {
    /// The direction it is about.
    pub direction: Direction,
    /// What it does.
    pub effect: Effect,
    /// Where it stands in the order of all rules.
    pub precedence: Precedence,
    /// Whether its presence isolates the endpoint in its direction.
    pub isolates: bool,
    /// The peers it is about.
    pub peers: Peers,
    /// What peers chosen by their labels must fulfil as well, in every entry of this direction and effect that
    /// selects the same endpoint (`fromRequires`, `toRequires`; gone since Cilium 1.19).
    pub requires: Vec<Selector>,
    /// Which traffic it is about.
    pub ports: Ports,
    /// What it says of mutual authentication.
    pub authentication: Option<Authentication>,
    /// What the engine does not model of it.
    pub gap: Option<Gap>,
    /// Where it stands.
    pub origin: EntryOrigin,
    /// The same as reports name it.
    pub(crate) reference: RuleReference,
}

/// What an entry says of mutual authentication.
/// <https://docs.cilium.io/en/stable/network/servicemesh/mutual-authentication/mutual-authentication/>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is spelled as in a policy")]
pub enum Authentication {
    Required,
    Disabled,
    TestAlwaysFail,
}

/// The other ends an entry is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Peers {
    /// Everyone.
    Any,
    /// Whoever one of these matches; an empty list is nobody.
    OneOf(Vec<Peer>),
}

/// One peer of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// What matches.
    pub matcher: PeerMatcher,
    /// The field that names it.
    pub field: PeerField,
    /// The index in that field.
    pub index: usize,
    /// Where it stands.
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
    /// Whatever carries such labels of CIDR groups, outside all of `except`. What belongs to no group carries none,
    /// pods and nodes included.
    CidrGroups {
        /// What the labels must be.
        selector: Selector,
        /// The prefixes taken out.
        except: Vec<IpNet>,
    },
    /// Addresses the DNS proxy has learned for a name.
    Name(NamePattern),
}

/// The traffic an entry is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Ports {
    /// Every protocol and port.
    All,
    /// Whatever one of these matches; an empty list is nothing.
    OneOf(Vec<PortRule>),
}

/// One port, range or ICMP type of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct PortRule {
    /// What matches.
    pub matcher: PortMatcher,
    /// What the traffic must fulfil beyond that, judged by a proxy.
    pub proxy: Option<Arc<Proxy>>,
    /// Where it stands in its entry.
    pub path: PortPath,
    /// Where it stands.
    pub position: Position,
    /// The same as reports name it.
    pub(crate) reference: RuleReference,
}

/// Where a port rule stands in its entry, by the index of the list and the index in it.
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
    /// Ports by number, both ends included; 0 to 65535 is every port.
    Range {
        /// The protocol; none is TCP, UDP and SCTP.
        protocol: Option<Protocol>,
        /// The first port.
        first: u16,
        /// The last port.
        last: u16,
    },
    /// A port by the name the endpoint at the destination declares, to the end of a range if one is given.
    Name {
        /// The protocol; none is TCP, UDP and SCTP.
        protocol: Option<Protocol>,
        /// The name, lower-case.
        name: String,
        /// The last port of a range that begins at the named one.
        end_port: Option<u16>,
    },
    /// An ICMP type; none is every type of the family.
    Icmp {
        /// Whether it is `ICMPv6`.
        v6: bool,
        /// The type.
        kind: Option<u8>,
    },
}

/// The name of a rule for reports, made when it is needed first and shared from then on. It says nothing that the rule
/// does not say, so that two are always equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleReference(OnceLock<Arc<RuleRef>>);

impl RuleReference {
    /// The name; `make` makes it.
    pub(crate) fn get(&self, make: impl FnOnce() -> RuleRef) -> Arc<RuleRef> {
        Arc::clone(self.0.get_or_init(|| Arc::new(make())))
    }
}

impl PartialEq for RuleReference {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// With what a proxy ends the TLS of clients, and begins it again to servers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsSecrets {
    /// The secret with the certificate that clients see.
    pub certificate: NamespacedName,
    /// The secret with the authorities by which servers are judged; none where it goes on in plain.
    pub authorities: Option<NamespacedName>,
}

/// What a proxy judges.
#[derive(Clone, Debug, PartialEq)]
pub enum Proxy {
    /// HTTP requests: one of the rules must match.
    Http(Vec<HttpRule>),
    /// HTTP requests inside TLS, which the proxy ends: one of the rules must match.
    HttpInTls {
        /// The rules.
        rules: Vec<HttpRule>,
        /// With what the proxy ends TLS, and begins it again.
        secrets: TlsSecrets,
    },
    /// DNS queries: one of the patterns must match.
    Dns(Vec<NamePattern>),
    /// Connections of TLS: one of the patterns must match the server name that the client tells.
    ServerNames(Vec<NamePattern>),
    /// Something the engine does not model.
    Unmodelled(Unmodelled),
}

/// What a proxy may judge and the engine does not model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unmodelled {
    /// Requests inside TLS that the proxy ends or starts.
    InsideTls,
    /// TLS that the proxy ends with a secret of which nothing is known.
    UnknownSecret,
    /// TLS that the proxy ends, or begins again, with a secret that lacks what it needs for that.
    IncompleteSecret,
    /// Kafka rules.
    Kafka,
    /// Generic L7 rules.
    GenericL7,
    /// A listener of one's own.
    Listener,
}

impl Unmodelled {
    /// What the engine does not know: completes "does not know …".
    pub fn gap(self) -> &'static str {
        match self {
            Self::InsideTls => "what a proxy sees inside TLS",
            Self::UnknownSecret => {
                "whether the secret is there with which the proxy ends TLS, or begins it; name it under `secrets` of the topology"
            }
            Self::IncompleteSecret => {
                "what becomes of TLS with such a secret: for clients it needs `tls.crt` and `tls.key`, for servers `ca.crt`"
            }
            Self::Kafka => "what Kafka rules allow",
            Self::GenericL7 => "what generic L7 rules allow",
            Self::Listener => "what a listener of one's own does",
        }
    }
}

impl Proxy {
    /// What it lets pass, a line for each rule.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Http(rules) => rules.iter().map(|rule| format!("http {rule}")).collect(),
            Self::HttpInTls { rules, .. } => rules.iter().map(|rule| format!("https {rule}")).collect(),
            Self::Dns(patterns) => patterns.iter().map(|pattern| format!("dns {pattern}")).collect(),
            Self::ServerNames(names) => names.iter().map(|name| format!("tls {name}")).collect(),
            Self::Unmodelled(what) => vec![format!("unknown: {}", what.gap())],
        }
    }

    /// Whether the agent surely merges what two rules ask at one port for one peer.
    pub(crate) fn merges_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(_), Self::Http(_))
            | (Self::Dns(_), Self::Dns(_))
            | (Self::ServerNames(_), Self::ServerNames(_)) => true,
            (Self::Unmodelled(one), Self::Unmodelled(other)) => one == other && *one == Unmodelled::Kafka,
            _ => false,
        }
    }

    /// Whether the agent merges what a later entry of the same rule asks into this: HTTP rules into server names, but
    /// not the other way round.
    pub(crate) fn takes_in(&self, later: &Self) -> bool {
        matches!((self, later), (Self::ServerNames(_), Self::Http(_)))
    }
}

/// What the engine does not model of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// It matters for traffic the entry matches.
    WhenMatched(&'static str),
    /// The entry's peers are not known.
    Peers(&'static str),
}

/// Where an entry stands in its object.
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
    /// Where it stands in the file.
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
    /// The isolation a `NetworkPolicy` asks for by its `policyTypes`.
    PolicyTypes,
}

impl Section {
    /// The word a policy has for it.
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
