//! `toFQDNs` for endpoints whose DNS queries no rule sends through the DNS proxy: their names are never learned.

use verdikt_scenario::diagnostic::Diagnostic;

use super::LintContext;
use crate::dns::NamePattern;
use crate::rule::{PeerMatcher, Peers, Ports, Proxy, Rule, RuleEntry};

const HELP: &str = "add a rule for the DNS server: toEndpoints with k8s:io.kubernetes.pod.namespace: kube-system and \
                    k8s-app: kube-dns, toPorts with port \"53\" and protocol ANY, and `rules: {dns: [{matchPattern: \"*\"}]}`";

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for (rule, entry) in context.entries() {
        let Peers::OneOf(peers) = &entry.peers else { continue };
        for peer in peers {
            let PeerMatcher::Name(name) = &peer.matcher else { continue };
            if !is_learned(context, rule, name) {
                let message =
                    format!("`{name}` is never learned: no DNS rule sends a query for it through the proxy");
                let place = context.place(entry, peer.position);
                warnings.push(Diagnostic::warning(place, "fqdn-without-dns", message).help(HELP));
            }
        }
    }
    warnings
}

/// Whether some DNS rule that may apply to the same endpoints allows queries for the name.
fn is_learned(context: &LintContext<'_>, rule: &Rule, name: &NamePattern) -> bool {
    let selected = context.selected(rule);
    let together = |other: &Rule| {
        if context.topology.is_none() || selected.is_empty() {
            return std::ptr::eq(rule, other) || context.may_share_endpoints(rule, other);
        }
        context.selected(other).iter().any(|endpoint| selected.contains(endpoint))
    };
    context.entries().filter(|(other, _)| together(other)).any(|(_, entry)| teaches(entry, name))
}

fn teaches(entry: &RuleEntry, name: &NamePattern) -> bool {
    let Ports::OneOf(ports) = &entry.ports else { return false };
    let dns = ports.iter().filter_map(|port| match port.proxy.as_deref() {
        Some(Proxy::Dns(patterns)) => Some(patterns),
        _ => None,
    });
    // A pattern is learned from any allowed query that matches it; whether two patterns overlap is not decided here.
    let exact = name.name();
    dns.flatten().any(|pattern| exact.is_none_or(|exact| pattern.matches(exact)))
}
