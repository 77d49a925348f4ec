//! Objects that Cilium reads only if its settings say so, in a folder without settings.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::{Manifest, PolicyKind};

use super::LintContext;

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    if context.knows_settings {
        return Vec::new();
    }
    let of_kind = context
        .accepted()
        .filter(|manifest| manifest.object().policy_kind() == Some(PolicyKind::ClusterNetworkPolicy));
    let warning = |manifest: &Manifest| {
        let node = manifest.root.get("kind").unwrap_or(&manifest.root);
        let message =
            "Cilium ignores this object silently, unless its setting `k8sClusterNetworkPolicy.enabled` is on";
        let help = "switch it on in the values of Cilium, whose default is off";
        Diagnostic::warning(manifest.place(node.position), "needs-setting", message).help(help)
    };
    of_kind.map(warning).collect()
}
