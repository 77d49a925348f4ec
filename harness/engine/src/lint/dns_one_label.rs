//! `*.svc.cluster.local`: a star matches one label, and a service's name has two before `svc`.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::YamlNode;
use verdikt_scenario::topology::CLUSTER_DOMAIN;

use super::{LintContext, values_under};
use crate::dns::NamePattern;

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let behaviour = &context.model.behaviour;
    let (services, cluster) = (format!("*.svc.{CLUSTER_DOMAIN}"), format!("*.{CLUSTER_DOMAIN}"));
    let some_service = format!("service.namespace.svc.{CLUSTER_DOMAIN}");
    let mut warnings = Vec::new();
    for manifest in context.manifests {
        let mut lists = Vec::new();
        values_under(&manifest.root, "dns", &mut lists);
        for list in lists {
            let patterns: Vec<(&YamlNode, &str)> = list
                .elements()
                .iter()
                .filter_map(|rule| rule.get("matchPattern"))
                .filter_map(|node| Some((node, node.text()?)))
                .collect();
            // Another pattern of the list may allow the services.
            if patterns.iter().any(|(_, text)| NamePattern::pattern(text, behaviour).matches(&some_service)) {
                continue;
            }
            for (node, text) in patterns {
                let written = text.trim().trim_end_matches('.');
                if written != services && written != cluster {
                    continue;
                }
                let message = format!(
                    "`{text}` matches no service: a star matches one label, and their names have more"
                );
                let mend = if behaviour.multi_level_dns_patterns {
                    format!("write `**.{}`", written.trim_start_matches("*."))
                } else {
                    format!("write `*.*.svc.{CLUSTER_DOMAIN}`")
                };
                let place = manifest.place(node.position);
                warnings.push(Diagnostic::warning(place, "dns-one-label", message).help(mend));
            }
        }
    }
    warnings
}
