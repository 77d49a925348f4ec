//! The settings of Cilium that a scenario has, and what follows from them for the rest of it.

use proptest::prelude::*;
use proptest::sample::subsequence;

/// Settings of which some are drawn for a scenario. The values of one setting stand side by side.
const SETTINGS: &[&str] = &[
    ALWAYS,
    NEVER,
    CLUSTER_MESH,
    EXTENDED_PROTOCOLS,
    FAMILIES,
    HOST_FIREWALL,
    NODE_LABELS,
    NON_DEFAULT_DENY,
    NO_NETWORK_POLICIES,
    NO_PROXY,
    "labels: 'k8s:!tier'",
    "labels: 'k8s:app k8s:io.kubernetes.pod.namespace'",
    DENY_RESPONSE,
    "policyAuditMode: true",
    "policyCIDRMatchMode: nodes",
    "routingMode: tunnel",
];
const ALWAYS: &str = "policyEnforcementMode: always";
const CLUSTER_MESH: &str = "clustermesh.policyDefaultLocalCluster: false";
const DENY_RESPONSE: &str = "policyDenyResponse: icmp";
const EXTENDED_PROTOCOLS: &str = "extendedIPProtocols.enabled: true";
const FAMILIES: &str = "ipv6.enabled: true";
const HOST_FIREWALL: &str = "hostFirewall.enabled: true";
const NODE_LABELS: &str = "nodeSelectorLabels: true";
const NON_DEFAULT_DENY: &str = "enableNonDefaultDenyPolicies: false";
const NO_NETWORK_POLICIES: &str = "k8sNetworkPolicy.enabled: false";
const NO_PROXY: &str = "l7Proxy: false";
const NEVER: &str = "policyEnforcementMode: never";
const TIERS: &str = "k8sClusterNetworkPolicy.enabled: true";

/// Settings since a version, the latest first.
const SINCE: &[(&str, &[&str])] = &[
    ("1.20", &[TIERS]),
    ("1.19", &[EXTENDED_PROTOCOLS, DENY_RESPONSE]),
    ("1.18", &[CLUSTER_MESH]),
    ("1.17", &[NON_DEFAULT_DENY]),
];

/// Whether the API server knows every field of a `ClusterNetworkPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Experimental,
    Standard,
}

/// The settings of one scenario.
#[derive(Clone, Debug)]
pub(super) struct DrawnSettings {
    written: Vec<&'static str>,
    channel: Channel,
}

/// Up to three settings, and in half of the scenarios the one that reads `ClusterNetworkPolicy` objects.
pub(super) fn some() -> impl Strategy<Value = DrawnSettings> {
    let channel = prop_oneof![3 => Just(Channel::Experimental), 1 => Just(Channel::Standard)];
    (subsequence(SETTINGS.to_vec(), 0..=3), any::<bool>(), channel).prop_map(
        |(mut written, tiers, channel)| {
            // A setting has one value.
            written.dedup_by_key(|setting| setting.split(':').next());
            written.extend(tiers.then_some(TIERS));
            DrawnSettings { written, channel: if tiers { channel } else { Channel::Experimental } }
        },
    )
}

impl DrawnSettings {
    fn have(&self, setting: &str) -> bool {
        self.written.contains(&setting)
    }

    /// As a topology has them.
    pub(super) fn written(&self) -> String {
        let channel = match self.channel {
            Channel::Experimental => "",
            Channel::Standard => "  networkPolicyApi: standard\n",
        };
        format!("  settings: {{{}}}\n{channel}", self.written.join(", "))
    }

    /// The versions that know all of them.
    pub(super) fn versions(&self) -> String {
        let since = SINCE.iter().find(|(_, settings)| settings.iter().any(|setting| self.have(setting)));
        since.map(|(version, _)| format!("cilium: '>={version}'\n")).unwrap_or_default()
    }

    /// Whether connections can be made while there are no policies.
    pub(super) fn connections_are_made(&self) -> bool {
        !self.have(ALWAYS)
    }

    /// Whether policies may name nodes by their labels.
    pub(super) fn nodes_are_peers(&self) -> bool {
        self.have(NODE_LABELS)
    }

    /// Whether policies may isolate nodes.
    pub(super) fn nodes_are_subjects(&self) -> bool {
        self.have(HOST_FIREWALL)
    }

    /// Whether there are addresses of IPv6.
    pub(super) fn both_families(&self) -> bool {
        self.have(FAMILIES)
    }

    /// Whether rules may name protocols that no attempt uses.
    pub(super) fn extended_protocols(&self) -> bool {
        self.have(EXTENDED_PROTOCOLS)
    }

    /// Whether the agent reads `ClusterNetworkPolicy` objects.
    pub(super) fn tiers(&self) -> bool {
        self.have(TIERS)
    }

    /// Who refuses a policy because of them, with a part of what is said.
    pub(super) fn refuser(&self, policy: &str) -> Option<(&'static str, &'static str)> {
        let is = |kind: &str| policy.contains(&format!("kind: {kind}\n"));
        let has_names = policy.contains("domainNames:");
        if self.channel == Channel::Standard
            && is("ClusterNetworkPolicy")
            && (has_names || policy.contains("nodes:"))
        {
            return Some(("api-server", "unknown field"));
        }
        if self.have(NO_NETWORK_POLICIES) && is("NetworkPolicy") {
            return Some(("agent", "reads no NetworkPolicy"));
        }
        let needs_proxy = has_names || policy.contains("rules: {");
        (self.have(NO_PROXY) && needs_proxy).then_some(("agent", "L7 proxy is not enabled"))
    }
}
