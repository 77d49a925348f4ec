//! Checks for settings of a cluster's Cilium that change what policies mean.

use verdikt_cluster::inspect::CiliumFacts;
use verdikt_scenario::policy::PolicyKind;
use verdikt_scenario::scenario::Step;
use verdikt_scenario::settings::{LabelRule, Settings};
use verdikt_scenario::topology::{ApiChannel, Endpoint, LOCAL_NODE};

use super::{has, has_key};

/// The setting that switches `enableDefaultDeny` on. Agents ignored the setting for two years, so the behaviour of a
/// cluster that has it off is unknown.
const NON_DEFAULT_DENY: &str = "enable-non-default-deny-policies";

/// A setting for whose default value the engine predicts.
struct PredictedSetting {
    /// Its name in the `ConfigMap` called `cilium-config`.
    name: &'static str,
    /// Whether a value is not the default.
    is_unusual: fn(&str) -> bool,
    /// Whether the setting matters to a step.
    matters: fn(&Step) -> bool,
    /// Why it matters: what the step has.
    because: &'static str,
}

/// <https://docs.cilium.io/en/stable/cmdref/cilium-agent/>
const SETTINGS: &[PredictedSetting] = &[
    PredictedSetting {
        name: "enable-k8s-networkpolicy",
        is_unusual: is_off,
        matters: |step| has_kind(step, "NetworkPolicy"),
        because: "it has a NetworkPolicy",
    },
    PredictedSetting {
        name: "enable-cilium-network-policy",
        is_unusual: is_off,
        matters: |step| has_kind(step, "CiliumNetworkPolicy"),
        because: "it has a CiliumNetworkPolicy",
    },
    PredictedSetting {
        name: "enable-cilium-clusterwide-network-policy",
        is_unusual: is_off,
        matters: |step| has_kind(step, "CiliumClusterwideNetworkPolicy"),
        because: "it has a CiliumClusterwideNetworkPolicy",
    },
    PredictedSetting {
        name: "enable-l7-proxy",
        is_unusual: is_off,
        matters: |step| has_field(step, "dns"),
        because: "it has DNS rules",
    },
    PredictedSetting {
        name: "enable-icmp-rules",
        is_unusual: is_off,
        matters: |step| has_field(step, "icmps"),
        because: "it has ICMP rules",
    },
    PredictedSetting {
        name: NON_DEFAULT_DENY,
        is_unusual: is_off,
        matters: |step| has_field(step, "enableDefaultDeny"),
        because: "it has a policy with enableDefaultDeny, which agents before the fix \
                  https://github.com/cilium/cilium/pull/48391 heed all the same",
    },
    PredictedSetting {
        name: "enable-host-firewall",
        is_unusual: |value| value == "true",
        matters: |step| has_field(step, "nodeSelector"),
        because: "it has a policy for nodes",
    },
    PredictedSetting {
        name: "allow-localhost",
        is_unusual: |value| value == "policy",
        matters: |step| is_source(step, LOCAL_NODE),
        because: "it attempts from the node of the pods",
    },
    PredictedSetting {
        name: "policy-cidr-match-mode",
        is_unusual: |value| value.split([',', ' ']).any(|mode| mode == "nodes"),
        matters: |step| !step.topology.nodes.is_empty() && CIDR.iter().any(|field| has_field(step, field)),
        because: "it has nodes, and policies for ranges of addresses",
    },
    // Which labels become part of identities: the engine only knows Cilium's default.
    // <https://docs.cilium.io/en/stable/operations/performance/scalability/identity-relevant-labels/>
    PredictedSetting {
        name: "labels",
        is_unusual: |value| !value.trim().is_empty(),
        matters: |step| !step.policies.is_empty() && step.topology.settings.labels.is_empty(),
        because: "it has policies, which select by labels",
    },
];

/// The fields with ranges of addresses.
const CIDR: &[&str] = &["fromCIDR", "fromCIDRSet", "toCIDR", "toCIDRSet", "ipBlock"];

/// Why policies of a step mean something else on this Cilium; none if they do not.
pub(super) fn otherwise(cilium: &CiliumFacts, step: &Step) -> Option<String> {
    unlike_topology(cilium, step).or_else(|| unusual(cilium, step))
}

/// A setting that differs between the cluster's Cilium and the topology.
fn unlike_topology(cilium: &CiliumFacts, step: &Step) -> Option<String> {
    let settings = &step.topology.settings;
    let has_policies = has_kind(step, "ClusterNetworkPolicy");
    let compared = [
        ("enable-k8s-cluster-network-policy", settings.cluster_network_policy, has_policies),
        (
            "enable-node-selector-labels",
            settings.node_selector_labels,
            // It also adds the label of the cluster to nodes, and selectors of pods match by that label.
            !step.policies.is_empty() && !step.topology.nodes.is_empty()
                || has_policies && has_field(step, "nodes"),
        ),
    ];
    let differs = compared.into_iter().find_map(|(name, wanted, matters)| {
        let is_on = cilium.config.get(name).is_some_and(|value| value == "true");
        let here = if is_on { "on" } else { "off" };
        let wanted = if wanted { "on" } else { "off" };
        (matters && here != wanted)
            .then(|| format!("it needs Cilium's {name} to be {wanted}, and here it is {here}"))
    });
    if has_policies && step.topology.network_policy_api != ApiChannel::default() {
        return Some(
            "it needs the standard channel of the network policy API, and which one is here is not known"
                .to_owned(),
        );
    }
    let is_known = cilium.kinds.contains(PolicyKind::ClusterNetworkPolicy.plural());
    differs.or_else(|| {
        (has_policies && !is_known).then(|| {
            "it has a ClusterNetworkPolicy, a kind that the API server does not know: install the definitions of \
             network-policy-api"
                .to_owned()
        })
    })
}

/// A setting of the cluster's Cilium for which the engine does not predict.
fn unusual(cilium: &CiliumFacts, step: &Step) -> Option<String> {
    SETTINGS.iter().find_map(|setting| {
        let mut said = said(&step.topology.settings).into_iter();
        let is_said = said.any(|(name, ..)| name == setting.name && name != NON_DEFAULT_DENY);
        let value =
            cilium.config.get(setting.name).filter(|value| !is_said && (setting.is_unusual)(value))?;
        let PredictedSetting { name, because, .. } = setting;
        (setting.matters)(step).then(|| format!("{because}, and here Cilium's {name} is {value}"))
    })
}

/// The settings of a topology that differ from Helm's defaults: their names in the `ConfigMap`, and their values.
fn said(settings: &Settings) -> Vec<(&'static str, String)> {
    let usual = Settings::default();
    let switches = [
        ("enable-l7-proxy", settings.l7_proxy, usual.l7_proxy),
        ("enable-k8s-networkpolicy", settings.network_policy, usual.network_policy),
        (NON_DEFAULT_DENY, settings.non_default_deny, usual.non_default_deny),
        ("enable-node-selector-labels", settings.node_selector_labels, usual.node_selector_labels),
        ("enable-k8s-cluster-network-policy", settings.cluster_network_policy, usual.cluster_network_policy),
        ("enable-host-firewall", settings.host_firewall, usual.host_firewall),
        ("enable-ipv6", settings.ipv6, usual.ipv6),
    ];
    let switches = switches.into_iter().filter(|(_, value, usual)| value != usual);
    let mut said: Vec<_> = switches.map(|(name, value, _)| (name, value.to_string())).collect();
    if settings.extended_protocols {
        said.push(("enable-extended-ip-protocols", "true".to_owned()));
    }
    if let Some(local) = settings.local_cluster_peers {
        said.push(("policy-default-local-cluster", local.to_string()));
    }
    if settings.cidr_matches_nodes {
        said.push(("policy-cidr-match-mode", "nodes".to_owned()));
    }
    said
}

/// How the settings of a cluster's Cilium differ from those of a topology; none if they are the same.
pub(super) fn unlike(cilium: &CiliumFacts, wanted: &Settings) -> Option<String> {
    let labels = cilium.config.get("labels").map_or("", String::as_str);
    let here: Option<Vec<LabelRule>> = labels.split_whitespace().map(LabelRule::parse).collect();
    if !wanted.labels.is_empty() && here.as_ref() != Some(&wanted.labels) {
        return Some(format!(
            "its settings say which labels enter identities, and here Cilium's labels is {labels:?}"
        ));
    }
    said(wanted).into_iter().find_map(|(name, wanted)| {
        let value = cilium.config.get(name).map_or("", String::as_str);
        (value != wanted).then(|| format!("its settings have {name} {wanted}, and here it is {value:?}"))
    })
}

fn is_off(value: &str) -> bool {
    value == "false"
}

fn has_kind(step: &Step, kind: &str) -> bool {
    step.policies.iter().any(|manifest| manifest.object().kind == kind)
}

fn has_field(step: &Step, field: &str) -> bool {
    step.policies.iter().any(|manifest| has(&manifest.root, &|node| has_key(node, field)))
}

fn is_source(step: &Step, node: &str) -> bool {
    let is_it = |source: &Endpoint| matches!(source, Endpoint::Node(name) if name.as_str() == node);
    step.table.iter().flat_map(|row| &row.cells).any(|(source, _)| is_it(source))
}
