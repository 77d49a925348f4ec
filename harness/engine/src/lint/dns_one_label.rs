//! `*.svc.cluster.local`: a star stands for one label, and a service's name has two before `svc`.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::Node;
use verdikt_scenario::topology::CLUSTER_DOMAIN;

use super::Ground;

pub(super) fn lint(ground: &Ground<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for manifest in ground.manifests {
        let mut found = Vec::new();
        patterns(&manifest.root, &mut found);
        for node in found {
            let Some(text) = node.text() else { continue };
            let written = text.trim().trim_end_matches('.');
            let (service, cluster) = (format!("*.svc.{CLUSTER_DOMAIN}"), format!("*.{CLUSTER_DOMAIN}"));
            if written != service && written != cluster {
                continue;
            }
            let message = format!(
                "`{text}` matches no service: a star stands for one label, and their names have more"
            );
            let mend = if ground.cluster.behaviour.multi_level_dns_patterns {
                format!("write `**.{}`", written.trim_start_matches("*."))
            } else {
                format!("write `*.*.svc.{CLUSTER_DOMAIN}`")
            };
            let place = manifest.place(node.position);
            warnings.push(Diagnostic::warning(place, "dns-one-label", message).help(mend));
        }
    }
    warnings
}

/// Every value under a key `matchPattern`.
fn patterns<'a>(node: &'a Node, found: &mut Vec<&'a Node>) {
    for entry in node.entries() {
        if entry.key == "matchPattern" {
            found.push(&entry.value);
        }
        patterns(&entry.value, found);
    }
    node.elements().iter().for_each(|element| patterns(element, found));
}
