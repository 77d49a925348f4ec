//! A peer of a clusterwide policy with labels and no namespace: any namespace can have such pods.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::PolicyKind;

use super::LintContext;
use crate::label::{LabelSource, NAMESPACE, NAMESPACE_LABELS, SERVICE_ACCOUNT};
use crate::rule::{Effect, PeerField, PeerMatcher, Peers};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut hints = Vec::new();
    for (_, entry) in context.entries() {
        let clusterwide = context.model.objects[entry.origin.object].kind()
            == Some(PolicyKind::CiliumClusterwideNetworkPolicy);
        let Peers::OneOf(peers) = &entry.peers else { continue };
        if !clusterwide || entry.effect == Effect::Deny {
            continue;
        }
        for peer in peers {
            let PeerMatcher::Selector(selector) = &peer.matcher else { continue };
            let written: Vec<_> =
                selector.requirements.iter().filter(|requirement| !requirement.implied).collect();
            let says_where = written.iter().any(|requirement| {
                requirement.source == Some(LabelSource::Reserved)
                    || requirement.key == NAMESPACE
                    || requirement.key == SERVICE_ACCOUNT
                    || requirement.key.starts_with(NAMESPACE_LABELS)
            });
            let is_of_pods = peer.field != PeerField::Nodes && !peer.field.leads_through_services();
            if written.is_empty() || says_where || !is_of_pods {
                continue;
            }
            let message = "this peer is any pod with these labels, in every namespace";
            // A policy for the whole cluster mostly means this.
            let hint = Diagnostic::hint(context.place(entry, peer.position), "clusterwide-peer", message);
            hints.push(hint.help(format!("add `k8s:{NAMESPACE}: NAMESPACE` if one namespace is meant")));
        }
    }
    hints
}
