//! The cluster's DNS server as a peer without its namespace: such a peer is in the policy's own namespace.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::PolicyKind;
use verdikt_scenario::topology::{DNS_NAMESPACE, NAMESPACE_NAME_LABEL};

use super::LintContext;
use crate::label::NAMESPACE;
use crate::rule::{Effect, PeerMatcher, Peers};
use crate::selector::{Operator, Selector};

/// Labels that only the cluster's DNS server has.
const LABELS: &[(&str, &str)] = &[
    ("k8s-app", "kube-dns"),
    ("k8s-app", "coredns"),
    ("k8s-app", "node-local-dns"),
    ("app.kubernetes.io/name", "coredns"),
    ("dns.operator.openshift.io/daemonset-dns", "default"),
];

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    // With a topology, a peer that selects nothing has a warning of its own, with the pod that comes nearest.
    if context.topology.is_some() {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for (_, entry) in context.entries().filter(|(_, entry)| entry.effect == Effect::Allow) {
        let object = &context.model.objects[entry.origin.object].reference;
        let own = object.namespace.as_deref().unwrap_or("default");
        let Peers::OneOf(peers) = &entry.peers else { continue };
        if own == DNS_NAMESPACE {
            continue;
        }
        for peer in peers {
            let PeerMatcher::Selector(selector) = &peer.matcher else { continue };
            if !is_dns_server_of_own_namespace(selector) {
                continue;
            }
            let message =
                format!("this peer is of the namespace {own}, where the cluster's DNS server is not");
            let help = if object.policy_kind() == Some(PolicyKind::NetworkPolicy) {
                format!(
                    "add `namespaceSelector: {{matchLabels: {{{NAMESPACE_NAME_LABEL}: {DNS_NAMESPACE}}}}}` to the same \
                     item"
                )
            } else {
                format!("add `k8s:{NAMESPACE}: {DNS_NAMESPACE}` to its labels")
            };
            let place = context.place(entry, peer.position);
            warnings.push(Diagnostic::warning(place, "dns-peer-namespace", message).help(help));
        }
    }
    warnings
}

fn is_dns_server_of_own_namespace(selector: &Selector) -> bool {
    let is_label = |key: &str, operator: &Operator| match operator {
        Operator::In(values) => LABELS.iter().any(|(known, value)| {
            key == *known && !values.is_empty() && values.iter().all(|wanted| wanted == value)
        }),
        _ => false,
    };
    let names = |requirement: &crate::selector::Requirement| {
        !requirement.implied && is_label(&requirement.key, &requirement.operator)
    };
    let of_own = |requirement: &crate::selector::Requirement| {
        requirement.implied && requirement.key == NAMESPACE && matches!(requirement.operator, Operator::In(_))
    };
    selector.has_key(names) && selector.has_key(of_own)
}
