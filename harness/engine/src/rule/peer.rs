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

impl PeerField {
    /// The fields of Cilium's policies.
    pub(crate) const OF_CILIUM: &[Self] = &[
        Self::Endpoints,
        Self::Cidr,
        Self::CidrSet,
        Self::Entities,
        Self::Services,
        Self::Fqdns,
        Self::Groups,
        Self::Nodes,
    ];

    /// The key of a policy in a direction; none if the direction has no such field.
    pub fn word(self, direction: Direction) -> Option<&'static str> {
        let (ingress, egress) = match self {
            Self::Endpoints => (Some("fromEndpoints"), "toEndpoints"),
            Self::Cidr => (Some("fromCIDR"), "toCIDR"),
            Self::CidrSet => (Some("fromCIDRSet"), "toCIDRSet"),
            Self::Entities => (Some("fromEntities"), "toEntities"),
            Self::Services => (None, "toServices"),
            Self::Fqdns => (None, "toFQDNs"),
            Self::Groups => (Some("fromGroups"), "toGroups"),
            Self::Nodes => (Some("fromNodes"), "toNodes"),
            Self::Peers => (Some("from"), "to"),
        };
        match direction {
            Direction::Ingress => ingress,
            Direction::Egress => Some(egress),
        }
    }

    /// Whether an empty list of it matches no peer. Other fields are treated as absent if they are empty.
    pub(crate) fn is_nobody_when_empty(self) -> bool {
        matches!(self, Self::Endpoints | Self::Nodes | Self::Entities | Self::Cidr | Self::CidrSet)
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
