//! `toFQDNs` with names of the cluster: such rules match only hosts outside the cluster.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#dns-based>

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::topology::CLUSTER_DOMAIN;

use super::LintContext;
use crate::rule::{PeerMatcher, Peers};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for (_, entry) in context.entries() {
        let Peers::OneOf(peers) = &entry.peers else { continue };
        for peer in peers {
            let PeerMatcher::Name(name) = &peer.matcher else { continue };
            let text = name.to_string().trim().trim_end_matches('.').to_ascii_lowercase();
            if !text.strip_suffix(CLUSTER_DOMAIN).is_some_and(|rest| rest.ends_with('.')) {
                continue;
            }
            let message = format!("`{name}` names a service of the cluster, and names never match pods");
            let warning = Diagnostic::warning(context.place(entry, peer.position), "fqdn-of-pods", message);
            warnings
                .push(warning.help("choose the pods with `toEndpoints`, or the service with `toServices`"));
        }
    }
    warnings
}
