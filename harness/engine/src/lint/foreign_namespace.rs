//! A namespaced policy whose subject names another namespace: it selects only pods of its own.
//!
//! <https://docs.cilium.io/en/stable/network/kubernetes/policy/#ciliumnetworkpolicy>

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::YamlNode;
use verdikt_scenario::policy::{Manifest, PolicyKind};

use super::{LintContext, specs};
use crate::label::NAMESPACE;
use crate::selector::Requirement;

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    context.accepted().flat_map(of_object).collect()
}

fn of_object(manifest: &Manifest) -> Vec<Diagnostic> {
    let object = manifest.object();
    let own = object.namespace.as_deref().unwrap_or("default");
    let mut warnings = Vec::new();
    if object.policy_kind() != Some(PolicyKind::CiliumNetworkPolicy) {
        return warnings;
    }
    for spec in specs(&manifest.root) {
        let Some((node, prefixed)) = named_by(spec, own) else { continue };
        let other = node.text().unwrap_or_default();
        let message = if prefixed {
            format!("the namespace {other} is replaced by the policy's own, {own}, whose pods this selects")
        } else {
            format!("this selects nothing: pods of {other}, which a policy of {own} cannot select")
        };
        let warning = Diagnostic::warning(manifest.place(node.position), "foreign-namespace", message);
        warnings.push(warning.help(format!(
            "put the policy into the namespace {other}, or make it a CiliumClusterwideNetworkPolicy"
        )));
    }
    warnings
}

/// The value of a subject's label that names another namespace, and whether its key is replaced: only the one written
/// with the source `k8s:` is.
pub(super) fn named_by<'a>(spec: &'a YamlNode, own: &str) -> Option<(&'a YamlNode, bool)> {
    let labels = spec.at(&["endpointSelector", "matchLabels"])?.entries();
    let entry = labels.iter().find(|entry| Requirement::split_key(&entry.key).1 == NAMESPACE)?;
    let other = entry.value.text().filter(|other| *other != own);
    other.map(|_| (&entry.value, entry.key.starts_with("k8s:")))
}
