//! How policies name peers: the fields for them, and the groups that Cilium defines.

use super::Direction;
use crate::identity::Identity;

/// The fields that name peers, in the order in which the agent looks for two of them in one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is spelled as in a policy, without `from` and `to`")]
pub enum PeerField {
    Endpoints,
    Cidr,
    CidrSet,
    Entities,
    Services,
    Fqdns,
    Groups,
    Nodes,
    /// `from` and `to` of a `NetworkPolicy`.
    Peers,
}

/// The meaning of an empty list of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EmptyPeers {
    /// It matches no peer.
    Nobody,
    /// It counts as absent.
    Absent,
}

/// The origin of the peers of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerOrigin {
    /// Each element is a peer.
    Element,
    /// The pods or addresses behind the services that the elements name.
    Service,
}

/// What there is to know of a field, apart from what an element of it matches.
struct PeerFieldRow {
    /// The key in a rule of ingress, if it has one there.
    ingress: Option<&'static str>,
    /// The key in a rule of egress.
    egress: &'static str,
    empty: EmptyPeers,
    origin: PeerOrigin,
}

impl PeerField {
    /// Every field.
    const ALL: [Self; 9] = [
        Self::Endpoints,
        Self::Cidr,
        Self::CidrSet,
        Self::Entities,
        Self::Services,
        Self::Fqdns,
        Self::Groups,
        Self::Nodes,
        Self::Peers,
    ];

    const fn row(self) -> PeerFieldRow {
        use EmptyPeers::{Absent, Nobody};
        use PeerOrigin::{Element, Service};
        let (ingress, egress, empty, origin) = match self {
            Self::Endpoints => (Some("fromEndpoints"), "toEndpoints", Nobody, Element),
            Self::Cidr => (Some("fromCIDR"), "toCIDR", Nobody, Element),
            Self::CidrSet => (Some("fromCIDRSet"), "toCIDRSet", Nobody, Element),
            Self::Entities => (Some("fromEntities"), "toEntities", Nobody, Element),
            Self::Services => (None, "toServices", Absent, Service),
            Self::Fqdns => (None, "toFQDNs", Absent, Element),
            Self::Groups => (Some("fromGroups"), "toGroups", Absent, Element),
            Self::Nodes => (Some("fromNodes"), "toNodes", Nobody, Element),
            Self::Peers => (Some("from"), "to", Absent, Element),
        };
        PeerFieldRow { ingress, egress, empty, origin }
    }

    /// The fields of Cilium's policies.
    pub(crate) fn of_cilium() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|field| *field != Self::Peers)
    }

    /// The key of a policy in a direction; none if the direction has no such field.
    pub fn word(self, direction: Direction) -> Option<&'static str> {
        match direction {
            Direction::Ingress => self.row().ingress,
            Direction::Egress => Some(self.row().egress),
        }
    }

    /// What an empty list of it means.
    pub(crate) fn when_empty(self) -> EmptyPeers {
        self.row().empty
    }

    /// Whether its peers are what services lead to, and not what the author has written.
    pub(crate) fn leads_through_services(self) -> bool {
        self.row().origin == PeerOrigin::Service
    }
}

/// A group of identities that Cilium defines.
/// <https://docs.cilium.io/en/stable/security/policy/language/#entities-based>
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is spelled as in a policy")]
pub enum Entity {
    All,
    World,
    WorldIpv4,
    WorldIpv6,
    Cluster,
    Host,
    Init,
    Ingress,
    Unmanaged,
    RemoteNode,
    Health,
    None,
    KubeApiserver,
}

impl Entity {
    /// Every entity with the word for it.
    pub const WORDS: &[(&'static str, Self)] = &[
        ("all", Self::All),
        ("world", Self::World),
        ("world-ipv4", Self::WorldIpv4),
        ("world-ipv6", Self::WorldIpv6),
        ("cluster", Self::Cluster),
        ("host", Self::Host),
        ("init", Self::Init),
        ("ingress", Self::Ingress),
        ("unmanaged", Self::Unmanaged),
        ("remote-node", Self::RemoteNode),
        ("health", Self::Health),
        ("none", Self::None),
        ("kube-apiserver", Self::KubeApiserver),
    ];

    /// The word in a policy.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, entity)| *entity == self).map_or("", |(word, _)| word)
    }

    /// Whether an identity belongs to it.
    pub fn contains(self, identity: &Identity) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::World => ["world", "world-ipv4", "world-ipv6"].iter().any(|key| identity.is_reserved(key)),
            Self::Cluster => {
                let reserved =
                    ["host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver"];
                reserved.iter().any(|key| identity.is_reserved(key))
                    || identity.value(crate::label::CLUSTER) == Some(crate::label::CLUSTER_NAME)
            }
            _ => identity.is_reserved(self.word()),
        }
    }
}
