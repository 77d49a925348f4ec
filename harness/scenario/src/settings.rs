//! What Cilium is configured to do, as far as it changes verdicts.

/// Settings of a cluster's Cilium.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether objects of the kind `ClusterNetworkPolicy` are read (`k8sClusterNetworkPolicy.enabled`).
    pub cluster_network_policy: bool,
    /// Whether policies can select nodes by their labels (`nodeSelectorLabels`).
    pub node_selector_labels: bool,
}
