//! A section of a `NetworkPolicy` whose direction `policyTypes` does not list: Kubernetes ignores it, Cilium does not.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/>

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::PolicyKind;

use super::LintContext;

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for manifest in context.accepted() {
        let Some(types) = manifest.root.at(&["spec", "policyTypes"]) else { continue };
        if manifest.object().policy_kind() != Some(PolicyKind::NetworkPolicy) || types.elements().is_empty() {
            continue;
        }
        for (section, word) in [("ingress", "Ingress"), ("egress", "Egress")] {
            let listed = types.elements().iter().any(|node| node.text() == Some(word));
            let items = manifest.root.at(&["spec", section]).filter(|list| !list.elements().is_empty());
            let Some(list) = items.filter(|_| !listed) else { continue };
            let message = format!(
                "`policyTypes` does not list {word}: Kubernetes ignores this section, and Cilium enforces it"
            );
            let warning = Diagnostic::warning(manifest.place(list.position), "policy-types", message);
            warnings.push(warning.help(format!("add {word} to `policyTypes`, or leave the section out")));
        }
    }
    warnings
}
