//! Two names with one address: Cilium knows only addresses, so a rule for one name also allows the other.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#dns-based>

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::topology::WorldHost;

use super::LintContext;
use crate::dns::NamePattern;
use crate::rule::{Effect, PeerMatcher, Peers, Rule};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let Some(topology) = context.topology else { return Vec::new() };
    let shared: Vec<&WorldHost> = topology.world.values().filter(|host| host.names.len() > 1).collect();
    if shared.is_empty() {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for (rule, entry) in context.entries().filter(|(_, entry)| entry.effect == Effect::Allow) {
        let Peers::OneOf(peers) = &entry.peers else { continue };
        for peer in peers {
            let PeerMatcher::Name(pattern) = &peer.matcher else { continue };
            let Some((host, other)) = shared.iter().find_map(|host| unmeant(host, pattern, rule)) else {
                continue;
            };
            let message = format!(
                "`{pattern}` has the address {}, which {other} has too: this allows both",
                host.address
            );
            let help = "policies see only addresses: give one name another address, or distinguish the two by proxy rules";
            let place = context.place(entry, peer.position);
            warnings.push(Diagnostic::warning(place, "names-share-address", message).help(help));
        }
    }
    warnings
}

/// A name of a host that no pattern of a rule matches, if a pattern matches another of its names.
fn unmeant<'a>(host: &'a WorldHost, pattern: &NamePattern, rule: &Rule) -> Option<(&'a WorldHost, &'a str)> {
    host.names.iter().find(|name| pattern.matches(name.as_str()))?;
    let other = host.names.iter().find(|name| !is_meant(name.as_str(), rule))?;
    Some((host, other.as_str()))
}

fn is_meant(name: &str, rule: &Rule) -> bool {
    rule.entries.iter().any(|entry| match &entry.peers {
        Peers::Any => false,
        Peers::OneOf(peers) => peers
            .iter()
            .any(|peer| matches!(&peer.matcher, PeerMatcher::Name(pattern) if pattern.matches(name))),
    })
}
