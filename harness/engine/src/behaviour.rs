//! What differs between Cilium versions, in one table.

use verdikt_scenario::version::CiliumVersion;

/// Every difference between versions that changes a verdict or the validity of an object.
///
/// Sources: the release notes and upgrade guides at <https://docs.cilium.io/en/stable/operations/upgrade/>, and
/// the behaviour of each version.
#[expect(clippy::struct_excessive_bools, reason = "a table of independent switches")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Peers of pods get the local cluster as a requirement (`policy-default-local-cluster`).
    pub peers_are_of_the_local_cluster: bool,
    /// A rule without a single direction is refused by the agent.
    pub refuses_rules_without_direction: bool,
    /// `toServices` reaches the pods behind a service with a selector.
    pub services_with_selector: bool,
    /// `toServices` may stand beside `toPorts`.
    pub services_with_ports: bool,
    /// HTTP rules may stand at a port range.
    pub http_with_port_range: bool,
    /// DNS rules may stand in the egress rules of a node.
    pub dns_rules_of_nodes: bool,
    /// CIDR groups can be chosen by their labels.
    pub cidr_group_selector: bool,
    /// `**.` at the beginning of a DNS pattern stands for several labels, and `**` for every name.
    pub multi_level_dns_patterns: bool,
    /// `fromRequires` and `toRequires` are still evaluated.
    pub requires: bool,
    /// Named ports of egress rules are those each destination declares, not one table for the cluster.
    pub egress_port_names_per_destination: bool,
    /// The node reaches pods that are isolated without a single ingress rule.
    pub local_host_reaches_pods_without_rules: bool,
    /// `topology.kubernetes.io/…` labels belong to a pod's identity.
    pub topology_labels_in_identity: bool,
    /// An excepted prefix must be longer than the prefix it is taken from.
    pub except_must_be_longer: bool,
    /// A `NetworkPolicy` peer that is an `ipBlock` also lets in the policy's own namespace.
    pub ip_block_admits_own_namespace: bool,
    /// Two kinds of L7 rules at one port conflict even for different peers.
    pub l7_kinds_conflict_per_port: bool,
    /// Names and patterns of more than 255 characters are refused by the agent.
    pub limits_name_length: bool,
    /// Of the entries that allow traffic, the most specific one decides whether it goes to a proxy; since 1.17 one
    /// entry with a proxy is enough.
    pub most_specific_decides_redirect: bool,
    /// Kafka rules exist.
    pub kafka: bool,
}

impl Behaviour {
    /// The behaviour of a version.
    pub fn of(version: CiliumVersion) -> Self {
        use CiliumVersion::{V1_17, V1_18, V1_19, V1_20};
        let since = |first: CiliumVersion| version >= first;
        let before = |first: CiliumVersion| version < first;
        Self {
            peers_are_of_the_local_cluster: since(V1_19),
            refuses_rules_without_direction: since(V1_17),
            services_with_selector: since(V1_17),
            services_with_ports: since(V1_17),
            http_with_port_range: since(V1_17),
            dns_rules_of_nodes: since(V1_17),
            cidr_group_selector: since(V1_17),
            multi_level_dns_patterns: since(V1_19),
            requires: before(V1_19),
            egress_port_names_per_destination: since(V1_20),
            local_host_reaches_pods_without_rules: before(V1_20),
            topology_labels_in_identity: before(V1_20),
            except_must_be_longer: since(V1_20),
            ip_block_admits_own_namespace: version == V1_19,
            l7_kinds_conflict_per_port: before(V1_18),
            limits_name_length: since(V1_19),
            most_specific_decides_redirect: before(V1_17),
            kafka: before(V1_20),
        }
    }
}
