//! Settings as the values of Cilium's Helm chart that bring them about.

use std::collections::BTreeMap;

use super::{LabelRule, Routing, Settings};
use crate::enforcement::EnforcementMode;

impl Settings {
    /// What differs from the default: the names of Helm values, with dots, each with its value in JSON. The routing is there
    /// where it is a tunnel: nobody has to ask for the other.
    /// <https://docs.cilium.io/en/stable/helm-reference/>
    pub fn helm_values(&self) -> BTreeMap<&'static str, String> {
        let usual = Self::default();
        let switches = [
            ("policyAuditMode", self.enforcement.audit, usual.enforcement.audit),
            ("k8sNetworkPolicy.enabled", self.network_policy, usual.network_policy),
            ("k8sClusterNetworkPolicy.enabled", self.cluster_network_policy, usual.cluster_network_policy),
            ("nodeSelectorLabels", self.node_selector_labels, usual.node_selector_labels),
            ("hostFirewall.enabled", self.host_firewall, usual.host_firewall),
            ("l7Proxy", self.l7_proxy, usual.l7_proxy),
            ("enableNonDefaultDenyPolicies", self.non_default_deny, usual.non_default_deny),
            ("extendedIPProtocols.enabled", self.extended_protocols, usual.extended_protocols),
            ("ipv6.enabled", self.ipv6, usual.ipv6),
        ];
        let changed = switches.into_iter().filter(|(_, on, usual)| on != usual);
        let mut values: BTreeMap<_, _> = changed.map(|(name, on, _)| (name, on.to_string())).collect();
        match self.enforcement.mode {
            EnforcementMode::Default => {}
            EnforcementMode::Always => drop(values.insert("policyEnforcementMode", text("always"))),
            EnforcementMode::Never => drop(values.insert("policyEnforcementMode", text("never"))),
        }
        if self.cidr_matches_nodes {
            values.insert("policyCIDRMatchMode", text("nodes"));
        }
        if let Some(local) = self.local_cluster_peers {
            values.insert("clustermesh.policyDefaultLocalCluster", local.to_string());
        }
        if self.routing == Routing::Tunnel {
            values.insert("routingMode", text("tunnel"));
        }
        if !self.labels.is_empty() {
            let rules: Vec<String> = self.labels.iter().map(label_rule).collect();
            values.insert("labels", text(&rules.join(" ")));
        }
        values
    }
}

/// A rule as Cilium reads it: a prefix is a regular expression there.
fn label_rule(rule: &LabelRule) -> String {
    let sign = if rule.excluded { "!" } else { "" };
    format!("k8s:{sign}{}", rule.prefix.replace('.', "\\."))
}

/// A text in JSON. Those that settings have need no other escapes.
fn text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\"))
}
