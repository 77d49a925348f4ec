//! Cilium's reserved numeric identities.
//!
//! <https://docs.cilium.io/en/stable/gettingstarted/terminology/#special-identities>

use verdikt_engine::identity::Identity;

/// The identity of an address outside the cluster.
pub const WORLD: u32 = 2;

/// Reserved labels and their numbers; the first one that an identity has counts.
const RESERVED: &[(&str, u32)] = &[
    ("host", 1),
    ("kube-apiserver", 7),
    ("remote-node", 6),
    ("health", 4),
    ("ingress", 8),
    ("world-ipv4", 9),
    ("world-ipv6", 10),
    ("world", WORLD),
];

/// The reserved number of an identity; none for pods.
pub fn reserved(identity: &Identity) -> Option<u32> {
    RESERVED.iter().find(|(label, _)| identity.is_reserved(label)).map(|(_, number)| *number)
}
