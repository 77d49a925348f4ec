//! Every difference between Cilium's minors, limits included. No other file names a version.
//!
//! Sources: the release notes and upgrade guides at <https://docs.cilium.io/en/stable/operations/upgrade/>, and the
//! behaviour of each version.

use verdikt_scenario::version::CiliumVersion;

use crate::versions::{before, only, since};

const V1_17: CiliumVersion = CiliumVersion::V1_17;
const V1_18: CiliumVersion = CiliumVersion::V1_18;
const V1_19: CiliumVersion = CiliumVersion::V1_19;
const V1_20: CiliumVersion = CiliumVersion::V1_20;

/// Defines a switch for each difference of the agent, with the versions that have it on.
macro_rules! switches {
    ($($(#[$doc:meta])+ $name:ident: $versions:expr,)+) => {
        /// What a version's agent does, of all that differs between versions.
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
    /// Peers of pods get the local cluster as a requirement (`policy-default-local-cluster`).
    peers_are_of_the_local_cluster: since(V1_19),
    /// A rule without a single direction is refused by the agent.
    refuses_rules_without_direction: since(V1_17),
    /// `toServices` reaches the pods behind a service with a selector.
    services_with_selector: since(V1_17),
    /// `toServices` may stand beside `toPorts`.
    services_with_ports: since(V1_17),
    /// HTTP rules may stand at a port range.
    http_with_port_range: since(V1_17),
    /// DNS rules may stand in the egress rules of a node.
    dns_rules_of_nodes: since(V1_17),
    /// CIDR groups can be chosen by their labels.
    cidr_group_selector: since(V1_17),
    /// A CIDR group is put in place of its name when the policy is read, so that its prefixes are checked.
    cidr_groups_are_expanded: before(V1_17),
    /// Where groups with one prefix give one key different values, each value counts.
    cidr_group_values_add_up: since(V1_20),
    /// An `ipBlock` whose exceptions leave nothing of it names no peer, so that with ports it is about everyone.
    empty_blocks_name_nobody: before(V1_17),
    /// A block `::/0` with exceptions or in a set stands for the IPv4 world too in a cluster without IPv6.
    /// <https://github.com/cilium/cilium/blob/v1.18.3/pkg/policy/api/cidr.go>
    ipv6_zero_is_the_world: since(V1_17).before(V1_19),
    /// In a cluster of both families the label `reserved:world` selects addresses that no prefix of a policy holds, and
    /// a deny rule for it wins over every rule that allows an address outside.
    world_label_is_of_both_families: before(V1_17),
    /// To the policy engine, port 0 with an end is a range that begins at 0. The datapath takes that for every port too.
    /// <https://github.com/cilium/cilium/blob/v1.18.3/pkg/maps/policymap/policymap.go> (`NewKeyFromPolicyKey`)
    port_zero_begins_a_range: since(V1_17).before(V1_20),
    /// A `k8sServiceSelector` that is empty, or has a key with a source, selects no service.
    plain_service_selectors: since(V1_17).before(V1_19),
    /// A source in front of a label's key consists of letters and digits.
    label_sources_are_alphanumeric: since(V1_20),
    /// A source in front of a label's key has no blank.
    label_sources_have_no_blank: since(V1_18),
    /// `**.` at the beginning of a DNS pattern stands for several labels, and `**` for every name.
    multi_level_dns_patterns: since(V1_19),
    /// A star in a server name stands for characters of a label, `**.` before it for several labels.
    server_name_patterns: since(V1_18),
    /// `fromRequires` and `toRequires` are still evaluated.
    requires: before(V1_19),
    /// Named ports of egress rules are those each destination declares, not one table for the cluster.
    egress_port_names_per_destination: since(V1_20),
    /// The node reaches pods that are isolated without a single ingress rule.
    local_host_reaches_pods_without_rules: before(V1_20),
    /// `topology.kubernetes.io/…` labels belong to a pod's identity.
    topology_labels_in_identity: before(V1_20),
    /// An excepted prefix must be longer than the prefix it is taken from.
    except_must_be_longer: since(V1_20),
    /// A `NetworkPolicy` peer that is an `ipBlock` also lets in the policy's own namespace.
    ip_block_admits_own_namespace: only(V1_19),
    /// Two kinds of L7 rules at one port conflict even for different peers.
    l7_kinds_conflict_per_port: before(V1_18),
    /// Names and patterns of more than 255 characters are refused by the agent.
    limits_name_length: since(V1_19),
    /// Objects of the kind `ClusterNetworkPolicy` are read, where the settings say so.
    cluster_network_policies: since(V1_20),
    /// Protocols beside TCP, UDP, SCTP and ICMP are known, where the settings say so.
    knows_extended_protocols: since(V1_19),
    /// All that IANA counts among those that tunnel are, and not VRRP and IGMP alone.
    knows_tunnelling_protocols: since(V1_20),
    /// Of the entries that allow traffic, the most specific one decides whether it goes to a proxy; since 1.17 one
    /// entry with a proxy is enough.
    most_specific_decides_redirect: before(V1_17),
}

/// The most ports that one list may have, and the most ICMP types.
pub(crate) const MOST_PORTS: usize = 40;

/// The most characters of a DNS name or pattern.
pub(crate) const LONGEST_NAME: usize = 255;

/// What differs between the API server's schemas, by what the tables of fields need it for.
pub(crate) mod schema {
    use verdikt_scenario::policy::PolicyKind;

    use super::{V1_17, V1_18, V1_19, V1_20, before, only, since};
    use crate::versions::{ALWAYS, VersionSpan};

    /// With which Cilium the API server has a kind in a version of its API.
    pub(crate) fn serves(kind: PolicyKind, api_version: &str) -> VersionSpan {
        match (kind, api_version) {
            (PolicyKind::CiliumCidrGroup, "cilium.io/v2") => since(V1_18),
            _ => ALWAYS,
        }
    }

    /// An object needs `spec` or `specs`.
    pub(crate) const SPEC_IS_REQUIRED: VersionSpan = since(V1_20);
    /// A rule needs one of its four lists.
    pub(crate) const DIRECTION_IS_REQUIRED: VersionSpan = since(V1_17);
    /// The field `log`.
    pub(crate) const LOG: VersionSpan = since(V1_18);
    /// The field `cidrGroupSelector`.
    pub(crate) const CIDR_GROUP_SELECTOR: VersionSpan = since(V1_17);
    /// `fromRequires` and `toRequires` with elements, and since then as lists that take none.
    pub(crate) const REQUIRES: VersionSpan = before(V1_19);
    pub(crate) const EMPTY_REQUIRES: VersionSpan = since(V1_19);
    /// Names and patterns of DNS have a limit.
    pub(crate) const NAME_LIMIT: VersionSpan = since(V1_17);
    /// The number of a port must be there.
    pub(crate) const PORT_IS_REQUIRED: VersionSpan = before(V1_19);
    /// The protocols of ports.
    pub(crate) const PROTOCOLS: [(VersionSpan, &[&str]); 3] = [
        (before(V1_19), &["TCP", "UDP", "SCTP", "ANY"]),
        (only(V1_19), &["TCP", "UDP", "SCTP", "VRRP", "IGMP", "ANY"]),
        (since(V1_20), &["TCP", "UDP", "SCTP", "VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH", "ANY"]),
    ];
    /// Server names are a set that is not empty, of names with a limit.
    pub(crate) const SERVER_NAME_LIMITS: VersionSpan = since(V1_18);
    /// Server names have a star at their beginning alone, and since then anywhere.
    pub(crate) const SERVER_NAMES_WITH_LEADING_STAR: VersionSpan = since(V1_18).before(V1_20);
    pub(crate) const SERVER_NAMES_WITH_STARS: VersionSpan = since(V1_20);
    /// Kafka and generic L7 rules, and the schema without them.
    pub(crate) const OTHER_L7_RULES: VersionSpan = before(V1_20);
    pub(crate) const ONLY_HTTP_AND_DNS: VersionSpan = since(V1_20);
}
