//! Labels that only host network pods have: policies know these by their node.
//!
//! <https://docs.cilium.io/en/stable/security/policy/#hostnetwork-pods>

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::policy::PolicyKind;
use verdikt_scenario::topology::{Labels, Topology};

use super::LintContext;
use crate::identity::Identity;
use crate::model::PolicyModel;
use crate::rule::{PeerMatcher, Peers, Rule, Subject};
use crate::selector::{Operator, Selector};

/// Labels of pods that always run in the network of their node.
const LABELS: [(&str, &[&str]); 3] = [
    ("component", &["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"]),
    ("tier", &["control-plane"]),
    ("k8s-app", &["kube-proxy", "cilium"]),
];

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for rule in context.model.rules.iter() {
        let Some(first) = rule.entries.first() else { continue };
        if let Subject::Endpoints(selector) = &rule.subject
            && let Some(label) = label_of_host_network(context, selector)
        {
            let message =
                format!("pods with {label} are in the network of their node, where no policy selects them");
            let help = "the host firewall decides about nodes: `nodeSelector` in a clusterwide policy";
            let place = context.place(first, first.origin.position);
            warnings.push(Diagnostic::warning(place, "host-network-pods", message).help(help));
        }
        if let Subject::Endpoints(selector) = &rule.subject
            && let Some(pod) = selected_in_vain(context, rule, selector)
        {
            let message =
                format!("{pod} is in the network of its node, where no policy selects it (hostNetwork)");
            let help = "the host firewall decides about nodes: `nodeSelector` in a clusterwide policy";
            let place = context.place(first, first.origin.position);
            warnings.push(Diagnostic::warning(place, "host-network-pods", message).help(help));
        }
        for entry in &rule.entries {
            let Peers::OneOf(peers) = &entry.peers else { continue };
            for peer in peers.iter().filter(|peer| !peer.field.leads_through_services()) {
                let PeerMatcher::Selector(selector) = &peer.matcher else { continue };
                let Some(label) = label_of_host_network(context, selector) else { continue };
                let message = format!(
                    "pods with {label} are in the network of their node: as peers they are nodes, not pods"
                );
                let field = match entry.direction {
                    crate::rule::Direction::Ingress => "fromEntities",
                    crate::rule::Direction::Egress => "toEntities",
                };
                let entities = format!("`{field}: [host, remote-node]`, or `[kube-apiserver]`");
                let help = match context.model.objects[entry.origin.object].kind() {
                    Some(PolicyKind::NetworkPolicy) => {
                        format!("no NetworkPolicy can name a node: add a CiliumNetworkPolicy with {entities}")
                    }
                    _ => format!("write {entities}"),
                };
                let place = context.place(entry, peer.position);
                warnings.push(Diagnostic::warning(place, "host-network-pods", message).help(help));
            }
        }
    }
    warnings
}

/// The pods in the network of a node, each with the identity that it would have in a network of its own.
pub(super) fn host_network_pods<'a>(
    topology: Option<&'a Topology>,
    model: &PolicyModel<'_>,
) -> Vec<(&'a NamespacedName, Identity)> {
    let Some(topology) = topology else { return Vec::new() };
    let none = Labels::new();
    let pods = topology.pods.iter().filter(|(_, pod)| pod.host_network.is_some());
    let identified = pods.map(|(name, pod)| {
        let labels = topology.namespaces.get(&name.namespace).unwrap_or(&none);
        let filter = &topology.settings.labels;
        (name, Identity::pod(&name.namespace, labels, pod, &model.behaviour, filter))
    });
    identified.collect()
}

/// A host network pod that a policy means and does not select, if it selects nothing else.
pub(super) fn selected_in_vain(
    context: &LintContext<'_>,
    rule: &Rule,
    selector: &Selector,
) -> Option<NamespacedName> {
    if !context.selects_nothing(rule) {
        return None;
    }
    let found = context.host_network_pods.iter().find(|(_, identity)| selector.selects(identity));
    found.map(|(name, _)| (*name).clone())
}

/// The label of a selector that only host network pods have, unless the topology has other pods with it.
fn label_of_host_network(context: &LintContext<'_>, selector: &Selector) -> Option<String> {
    let label = selector.requirements.iter().find(|requirement| {
        let Operator::In(values) = &requirement.operator else { return false };
        let known = LABELS.iter().find(|(key, _)| requirement.key == *key);
        !requirement.implied
            && known.is_some_and(|(_, known)| values.iter().all(|value| known.contains(&value.as_str())))
    })?;
    let exists = context.topology.is_some() && context.selects_any(selector);
    (!exists).then(|| label.to_string())
}
