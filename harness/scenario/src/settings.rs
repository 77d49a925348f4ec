//! What Cilium is configured to do, as far as it changes verdicts.

mod helm;

use crate::enforcement::Enforcement;

/// Settings of a cluster's Cilium.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a value of Helm that is on or off")]
pub struct Settings {
    /// How policies are enforced where a step does not say it (`policyEnforcementMode`, `policyAuditMode`).
    pub enforcement: Enforcement,
    /// Whether objects of the kind `NetworkPolicy` are read (`k8sNetworkPolicy.enabled`).
    pub network_policy: bool,
    /// Whether objects of the kind `ClusterNetworkPolicy` are read (`k8sClusterNetworkPolicy.enabled`).
    pub cluster_network_policy: bool,
    /// Whether policies can select nodes by their labels (`nodeSelectorLabels`).
    pub node_selector_labels: bool,
    /// Whether ranges of addresses match nodes too (`policyCIDRMatchMode: nodes`).
    pub cidr_matches_nodes: bool,
    /// Whether policies can isolate nodes (`hostFirewall.enabled`).
    pub host_firewall: bool,
    /// Whether there are proxies for HTTP and DNS rules (`l7Proxy`).
    pub l7_proxy: bool,
    /// Whether `enableDefaultDeny` counts (`enableNonDefaultDenyPolicies`).
    pub non_default_deny: bool,
    /// Whether peers without a cluster are of the local one (`clustermesh.policyDefaultLocalCluster`); none is as the
    /// version has it.
    pub local_cluster_peers: Option<bool>,
    /// Whether rules may be for protocols beside TCP, UDP, SCTP and ICMP (`extendedIPProtocols.enabled`).
    pub extended_protocols: bool,
    /// How packets get from node to node (`routingMode`).
    pub routing: Routing,
    /// Whether the cluster has IPv6 beside IPv4, also where no host outside has (`ipv6.enabled`).
    pub ipv6: bool,
    /// Which labels enter identities, beside Cilium's own list (`labels`).
    pub labels: Vec<LabelRule>,
}

impl Default for Settings {
    /// What Helm installs, but for the routing: the way of the node's address is what most policies are written for.
    fn default() -> Self {
        Self {
            enforcement: Enforcement::default(),
            network_policy: true,
            cluster_network_policy: false,
            node_selector_labels: false,
            cidr_matches_nodes: false,
            host_firewall: false,
            l7_proxy: true,
            non_default_deny: true,
            local_cluster_peers: None,
            extended_protocols: false,
            routing: Routing::Native,
            ipv6: false,
            labels: Vec::new(),
        }
    }
}

/// How packets get from node to node.
/// <https://docs.cilium.io/en/stable/network/concepts/routing/>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Routing {
    /// By the network: a node that stands for a client is known by its address.
    #[default]
    Native,
    /// In a tunnel: what a node sends for a client from outside has the identity of the world.
    Tunnel,
}

/// One entry of `labels`: which keys it is about, by what they begin with, and whether they enter identities.
/// <https://docs.cilium.io/en/stable/operations/performance/scalability/identity-relevant-labels/>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRule {
    /// What a key begins with.
    pub prefix: String,
    /// Whether such labels are left out.
    pub excluded: bool,
}

impl LabelRule {
    /// `k8s:app` or `k8s:!version`, with a plain prefix of keys; none of another regular expression.
    pub fn parse(rule: &str) -> Option<Self> {
        let rule = rule.strip_prefix("k8s:").unwrap_or(rule);
        let (excluded, pattern) = rule.strip_prefix('!').map_or((false, rule), |rest| (true, rest));
        let prefix = pattern.replace("\\.", ".");
        let is_plain = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        (is_plain && !prefix.is_empty()).then_some(Self { prefix, excluded })
    }
}
