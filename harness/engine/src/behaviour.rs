//! Every difference between Cilium's minors, including limits. No other file names a version.
//!
//! Sources: the release notes and upgrade guides at <https://docs.cilium.io/en/stable/operations/upgrade/>, and the
//! behaviour of each version.

use verdikt_scenario::version::CiliumVersion;

use crate::versions::{before, only, since};

const V1_17: CiliumVersion = CiliumVersion::V1_17;
const V1_18: CiliumVersion = CiliumVersion::V1_18;
const V1_19: CiliumVersion = CiliumVersion::V1_19;
const V1_20: CiliumVersion = CiliumVersion::V1_20;

/// Defines a switch for each difference of the agent, with the versions in which it is on.
macro_rules! switches {
    ($($(#[$doc:meta])+ $name:ident: $versions:expr,)+) => {
        /// The behaviour of a version's agent, as far as versions differ.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Behaviour {
            $($(#[$doc])+ pub $name: bool,)+
        }

        impl Behaviour {
            /// The behaviour of a version.
            pub fn of(version: CiliumVersion) -> Self {
                Self { $($name: $versions.contain(version),)+ }
            }
        }
    };
}

switches! {
    /// Pods as peers must be of the local cluster (`policy-default-local-cluster`).
    peers_are_of_the_local_cluster: since(V1_19),
    /// The agent refuses a rule without any direction.
    refuses_rules_without_direction: since(V1_17),
    /// `toServices` reaches the pods behind a service with a selector.
    services_with_selector: since(V1_17),
    /// `toServices` may be combined with `toPorts`.
    services_with_ports: since(V1_17),
    /// HTTP rules may be given for a port range.
    http_with_port_range: since(V1_17),
    /// DNS rules may be given in the egress rules of a node.
    dns_rules_of_nodes: since(V1_17),
    /// CIDR groups can be chosen by their labels.
    cidr_group_selector: since(V1_17),
    /// A CIDR group is resolved when the policy is read, so its prefixes are validated.
    cidr_groups_are_expanded: before(V1_17),
    /// If groups with the same prefix give one key different values, each value counts.
    cidr_group_values_add_up: since(V1_20),
    /// An `ipBlock` whose exceptions leave nothing of it names no peer; with ports it then applies to every peer.
    empty_blocks_name_nobody: before(V1_17),
    /// A block `::/0` with exceptions or in a set stands for the IPv4 world too in a cluster without IPv6.
    /// <https://github.com/cilium/cilium/blob/v1.18.3/pkg/policy/api/cidr.go>
    ipv6_zero_is_the_world: since(V1_17).before(V1_19),
    /// In a cluster of both families the label `reserved:world` selects addresses that no prefix of a policy holds, and
    /// a deny rule for it wins over every rule that allows an address outside.
    world_label_is_of_both_families: before(V1_17),
    /// To the policy engine, port 0 with an end is a range that starts at 0. The datapath treats this as every port
    /// too. <https://github.com/cilium/cilium/blob/v1.18.3/pkg/maps/policymap/policymap.go> (`NewKeyFromPolicyKey`)
    port_zero_begins_a_range: since(V1_17).before(V1_20),
    /// A `k8sServiceSelector` that is empty, or has a key with a source, selects no service.
    plain_service_selectors: since(V1_17).before(V1_19),
    /// A source in front of a label's key consists of letters and digits.
    label_sources_are_alphanumeric: since(V1_20),
    /// A source in front of a label's key has no blank.
    label_sources_have_no_blank: since(V1_18),
    /// `**.` at the start of a DNS pattern means one or more labels, and `**` every name.
    multi_level_dns_patterns: since(V1_19),
    /// A star in a server name means characters of a label, `**.` before it several labels.
    server_name_patterns: since(V1_18),
    /// `fromRequires` and `toRequires` are still evaluated.
    requires: before(V1_19),
    /// Named ports of egress rules are resolved per destination, not by one table for the cluster.
    egress_port_names_per_destination: since(V1_20),
    /// The node reaches isolated pods even if they have no ingress rule.
    local_host_reaches_pods_without_rules: before(V1_20),
    /// `topology.kubernetes.io/…` labels are part of a pod's identity.
    topology_labels_in_identity: before(V1_20),
    /// An excepted prefix must be longer than the prefix it is taken from.
    except_must_be_longer: since(V1_20),
    /// A `NetworkPolicy` peer that is an `ipBlock` also allows the policy's own namespace.
    ip_block_admits_own_namespace: only(V1_19),
    /// Two kinds of L7 rules at one port conflict even for different peers.
    l7_kinds_conflict_per_port: before(V1_18),
    /// Names and patterns of more than 255 characters are refused by the agent.
    limits_name_length: since(V1_19),
    /// Objects of the kind `ClusterNetworkPolicy` are read, if the settings say so.
    cluster_network_policies: since(V1_20),
    /// Protocols other than TCP, UDP, SCTP and ICMP are supported, if the settings say so.
    knows_extended_protocols: since(V1_19),
    /// All tunnel protocols of the IANA list are supported, and not only VRRP and IGMP.
    knows_tunnelling_protocols: since(V1_20),
    /// The most specific entry that allows traffic decides whether it goes to a proxy. Since 1.17 one entry with a
    /// proxy is enough.
    most_specific_decides_redirect: before(V1_17),
}

/// The most ports that one list may have, and the most ICMP types.
pub(crate) const MOST_PORTS: usize = 40;

/// The most characters of a DNS name or pattern.
pub(crate) const LONGEST_NAME: usize = 255;

/// Differences between the API server's schemas, as the schema tables need them.
pub(crate) mod schema {
    use verdikt_scenario::policy::PolicyKind;

    use super::{V1_17, V1_18, V1_19, V1_20, before, only, since};
    use crate::versions::{ALWAYS, VersionSpan};

    /// The Cilium versions with which the API server serves a kind in a version of its API.
    pub(crate) fn serves(kind: PolicyKind, api_version: &str) -> VersionSpan {
        match (kind, api_version) {
            (PolicyKind::CiliumCidrGroup, "cilium.io/v2") => since(V1_18),
            _ => ALWAYS,
        }
    }

    /// An object must have `spec` or `specs`.
    pub(crate) const SPEC_IS_REQUIRED: VersionSpan = since(V1_20);
    /// A rule must have one of its four lists.
    pub(crate) const DIRECTION_IS_REQUIRED: VersionSpan = since(V1_17);
    /// The field `log`.
    pub(crate) const LOG: VersionSpan = since(V1_18);
    /// The field `cidrGroupSelector`.
    pub(crate) const CIDR_GROUP_SELECTOR: VersionSpan = since(V1_17);
    /// `fromRequires` and `toRequires` with elements; in later versions the lists must be empty.
    pub(crate) const REQUIRES: VersionSpan = before(V1_19);
    pub(crate) const EMPTY_REQUIRES: VersionSpan = since(V1_19);
    /// Names and patterns of DNS have a limit.
    pub(crate) const NAME_LIMIT: VersionSpan = since(V1_17);
    /// The number of a port is required.
    pub(crate) const PORT_IS_REQUIRED: VersionSpan = before(V1_19);
    /// The protocols of ports.
    pub(crate) const PROTOCOLS: [(VersionSpan, &[&str]); 3] = [
        (before(V1_19), &["TCP", "UDP", "SCTP", "ANY"]),
        (only(V1_19), &["TCP", "UDP", "SCTP", "VRRP", "IGMP", "ANY"]),
        (since(V1_20), &["TCP", "UDP", "SCTP", "VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH", "ANY"]),
    ];
    /// Server names are a non-empty set of names with a limit.
    pub(crate) const SERVER_NAME_LIMITS: VersionSpan = since(V1_18);
    /// Server names may have a star only at their start; in later versions anywhere.
    pub(crate) const SERVER_NAMES_WITH_LEADING_STAR: VersionSpan = since(V1_18).before(V1_20);
    pub(crate) const SERVER_NAMES_WITH_STARS: VersionSpan = since(V1_20);
    /// Kafka and generic L7 rules, and the schema without them.
    pub(crate) const OTHER_L7_RULES: VersionSpan = before(V1_20);
    pub(crate) const ONLY_HTTP_AND_DNS: VersionSpan = since(V1_20);
}
