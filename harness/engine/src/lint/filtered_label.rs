//! Selectors with labels that Cilium leaves out of identities: they select no pod.
//!
//! <https://docs.cilium.io/en/stable/operations/performance/scalability/identity-relevant-labels/>

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::YamlNode;
use verdikt_scenario::place::Position;

use super::LintContext;
use crate::behaviour::Behaviour;
use crate::label::{LabelSource, NAMESPACE_LABELS, is_identity_relevant};
use crate::rule::{PeerMatcher, Peers, Subject};
use crate::selector::{Operator, Requirement, Selector};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for rule in context.model.rules.iter() {
        let Some(first) = rule.entries.first() else { continue };
        let mut warn = |selector: &Selector, node: Option<&YamlNode>, position: Position| {
            for requirement in filtered(selector, &context.model.behaviour) {
                let key = written_key(requirement);
                let position = node.and_then(|node| position_of(node, key)).unwrap_or(position);
                warnings.push(warning(requirement, key, context.place(first, position)));
            }
        };
        if let Subject::Endpoints(selector) = &rule.subject {
            let spec = context.spec(&first.origin);
            let node = spec.and_then(|spec| spec.get("endpointSelector").or(spec.get("podSelector")));
            warn(selector, node, node.map_or(first.origin.position, |node| node.position));
        }
        for entry in &rule.entries {
            let Peers::OneOf(peers) = &entry.peers else { continue };
            for peer in peers {
                let PeerMatcher::Selector(selector) = &peer.matcher else { continue };
                warn(selector, context.peer_node(entry, peer), peer.position);
            }
        }
    }
    warnings
}

/// The requirements of a selector on labels that no identity has.
pub(super) fn filtered<'a>(
    selector: &'a Selector,
    behaviour: &Behaviour,
) -> impl Iterator<Item = &'a Requirement> {
    let topology_labels = behaviour.topology_labels_in_identity;
    selector.requirements.iter().filter(move |requirement| {
        !requirement.implied
            && matches!(requirement.source, None | Some(LabelSource::Kubernetes))
            && !is_identity_relevant(&requirement.key, topology_labels)
    })
}

fn warning(requirement: &Requirement, key: &str, place: verdikt_scenario::place::Place) -> Diagnostic {
    let effect = match requirement.operator {
        Operator::In(_) | Operator::Exists => "it selects no pod",
        Operator::NotIn(_) | Operator::DoesNotExist => "this holds of every pod",
    };
    let message = format!("Cilium leaves the label {key} out of identities by default: {effect}");
    let help = "select by another label, or add this one to Cilium's setting `labels`";
    Diagnostic::warning(place, "filtered-label", message).help(help)
}

/// The key as its author wrote it.
fn written_key(requirement: &Requirement) -> &str {
    requirement.key.strip_prefix(NAMESPACE_LABELS).unwrap_or(&requirement.key)
}

/// The position of a key in a selector, or in the selectors of a peer.
fn position_of(node: &YamlNode, key: &str) -> Option<Position> {
    let is_it = |text: &str| text.ends_with(key);
    let labels = node.get("matchLabels").map_or(&[][..], YamlNode::entries);
    if let Some(entry) = labels.iter().find(|entry| is_it(&entry.key)) {
        return Some(entry.position);
    }
    let expressions = node.get("matchExpressions").map_or(&[][..], YamlNode::elements).iter();
    let mut keys = expressions.filter_map(|expression| expression.get("key"));
    if let Some(found) = keys.find(|found| found.text().is_some_and(is_it)) {
        return Some(found.position);
    }
    ["podSelector", "namespaceSelector"].iter().find_map(|part| position_of(node.get(part)?, key))
}
