//! Selectors that select no endpoint of the topology: of a policy's subject, or of a peer.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::Node;
use verdikt_scenario::topology::Endpoint;

use super::Ground;
use crate::rule::{Entry, PeerMatcher, Peers, Subject};
use crate::selector::Selector;

pub(super) fn lint(ground: &Ground<'_>) -> Vec<Diagnostic> {
    if ground.topology.is_none() {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for rule in &ground.cluster.rules {
        let (Subject::Endpoints(selector), Some(first)) = (&rule.subject, rule.entries.first()) else {
            continue;
        };
        if ground.selected(rule).is_empty() {
            let place = ground.place(first, subject_node(ground, first).position);
            let message = format!("{} selects no endpoint of the topology", ground.name(first));
            warnings
                .push(Diagnostic::warning(place, "selects-nothing", message).help(nearest(ground, selector)));
            // What its peers select does not matter then.
            continue;
        }
        for entry in &rule.entries {
            let Peers::OneOf(peers) = &entry.peers else { continue };
            for peer in peers {
                let PeerMatcher::Selector(selector) = &peer.matcher else { continue };
                let found =
                    ground.cluster.subjects.values().any(|subject| selector.selects(&subject.identity));
                if !found && peer.path.0 != "toServices" {
                    let place = ground.place(entry, peer.position);
                    let message =
                        format!("this peer of {} is no endpoint of the topology", ground.name(entry));
                    let warning = Diagnostic::warning(place, "peer-selects-nothing", message);
                    warnings.push(warning.help(nearest(ground, selector)));
                }
            }
        }
    }
    warnings
}

/// The selector of the subject, as written.
fn subject_node<'a>(ground: &'a Ground<'_>, entry: &Entry) -> &'a Node {
    let root = &ground.manifests[entry.origin.object].root;
    let spec = match entry.origin.spec {
        None => root.get("spec"),
        Some(index) => root.get("specs").and_then(|specs| specs.elements().get(index)),
    };
    let selector = spec.and_then(|spec| spec.get("endpointSelector").or(spec.get("podSelector")));
    selector.or(spec).unwrap_or(root)
}

/// The pod that fails on least, and on what.
fn nearest(ground: &Ground<'_>, selector: &Selector) -> String {
    let pods = ground.cluster.subjects.iter().filter(|(endpoint, _)| matches!(endpoint, Endpoint::Pod(_)));
    let missed = pods.map(|(endpoint, subject)| {
        let failed: Vec<_> = selector.requirements.iter().filter(|r| !r.holds(&subject.identity)).collect();
        (
            failed.len(),
            endpoint,
            failed.first().map(|r| format!("{r} is wanted, {}", r.instead(&subject.identity))),
        )
    });
    match missed.min_by_key(|(count, endpoint, _)| (*count, *endpoint)) {
        Some((1, endpoint, Some(on))) => format!("{endpoint} comes nearest: {on}"),
        _ => format!("it selects {selector}"),
    }
}
