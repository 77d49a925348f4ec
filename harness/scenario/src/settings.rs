//! The configuration of Cilium, as far as it changes verdicts.

mod helm;

use crate::enforcement::Enforcement;

/// The settings of a cluster's Cilium.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a value of Helm that is on or off")]
pub struct Settings {
    /// How policies are enforced unless a step says otherwise (`policyEnforcementMode`, `policyAuditMode`).
    pub enforcement: Enforcement,
    /// Whether objects of the kind `NetworkPolicy` are read (`k8sNetworkPolicy.enabled`).
    pub network_policy: bool,
    /// Whether objects of the kind `ClusterNetworkPolicy` are read (`k8sClusterNetworkPolicy.enabled`).
    pub cluster_network_policy: bool,
    /// Whether policies can select nodes by their labels (`nodeSelectorLabels`).
    pub node_selector_labels: bool,
    /// Whether address ranges also match nodes (`policyCIDRMatchMode: nodes`).
    pub cidr_matches_nodes: bool,
    /// Whether policies can isolate nodes (`hostFirewall.enabled`).
    pub host_firewall: bool,
    /// Whether Cilium runs proxies for HTTP and DNS rules (`l7Proxy`).
    pub l7_proxy: bool,
    /// Whether `enableDefaultDeny` has an effect (`enableNonDefaultDenyPolicies`).
    pub non_default_deny: bool,
    /// Whether peers without a cluster belong to the local one (`clustermesh.policyDefaultLocalCluster`); none means
    /// the default of the version.
    pub local_cluster_peers: Option<bool>,
    /// Whether rules may name protocols other than TCP, UDP, SCTP and ICMP (`extendedIPProtocols.enabled`).
    pub extended_protocols: bool,
    /// How packets travel between nodes (`routingMode`).
    pub routing: Routing,
    /// Whether the cluster has IPv6 besides IPv4, even if no host outside has it (`ipv6.enabled`).
    pub ipv6: bool,
    /// Which labels are part of identities, besides Cilium's own list (`labels`).
    pub labels: Vec<LabelRule>,
}

impl Default for Settings {
    /// Helm's defaults, except for the routing: most policies are written for native routing, where a node is known
    /// by its address.
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

/// How packets travel between nodes.
/// <https://docs.cilium.io/en/stable/network/concepts/routing/>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Routing {
    /// Natively: a node that replaces the address of a client is known by its address.
    #[default]
    Native,
    /// In a tunnel: what a node forwards for a client outside has the identity of the world.
    Tunnel,
}

/// One entry of `labels`: a prefix of keys, and whether these are part of identities.
/// <https://docs.cilium.io/en/stable/operations/performance/scalability/identity-relevant-labels/>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRule {
    /// The prefix of the keys.
    pub prefix: String,
    /// Whether such labels are left out.
    pub excluded: bool,
}

impl LabelRule {
    /// Parses `k8s:app` or `k8s:!version`, with a plain prefix of keys; none for other regular expressions.
    pub fn parse(rule: &str) -> Option<Self> {
        let rule = rule.strip_prefix("k8s:").unwrap_or(rule);
        let (excluded, pattern) = rule.strip_prefix('!').map_or((false, rule), |rest| (true, rest));
        let prefix = pattern.replace("\\.", ".");
        let is_plain = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        (is_plain && !prefix.is_empty()).then_some(Self { prefix, excluded })
    }
}
