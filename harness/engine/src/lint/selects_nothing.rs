//! Selectors of a policy's subject or of a peer that select no endpoint of the topology, and peers that do not exist.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::YamlNode;
use verdikt_scenario::policy::PolicyKind;
use verdikt_scenario::topology::Topology;

use super::{LintContext, filtered_label, foreign_namespace, host_network_pods};
use crate::label::{LabelSource, NAMESPACE_LABELS};
use crate::rule::{Effect, Peer, PeerField, PeerMatcher, Peers, Rule, RuleEntry, Subject};
use crate::selector::Selector;
use crate::selector_advice;

const PEER: &str = "peer-selects-nothing";

/// Reserved labels of endpoints that a topology need not contain: starting pods, unmanaged ones, other nodes.
const SELDOM: [&str; 4] = ["init", "unmanaged", "remote-node", "kube-apiserver"];

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let Some(topology) = context.topology else { return Vec::new() };
    let mut warnings = Vec::new();
    for rule in context.model.rules.iter() {
        if let (Subject::Endpoints(selector), Some(first)) = (&rule.subject, rule.entries.first())
            && context.selects_nothing(rule)
        {
            // Its peers do not matter then.
            warnings.extend(subject(context, rule, selector, first));
            continue;
        }
        for entry in &rule.entries {
            let Peers::OneOf(peers) = &entry.peers else { continue };
            warnings.extend(peers.iter().filter_map(|peer| self::peer(context, entry, peer)));
        }
        for entry in &rule.entries {
            warnings.extend(missing_services(context, topology, entry));
        }
    }
    warnings
}

fn subject(
    context: &LintContext<'_>,
    rule: &Rule,
    selector: &Selector,
    entry: &RuleEntry,
) -> Option<Diagnostic> {
    let root = &context.manifests[entry.origin.object].root;
    let spec = context.spec(&entry.origin).unwrap_or(root);
    let object = &context.model.objects[entry.origin.object].reference;
    let own = object.namespace.as_deref().unwrap_or("default");
    if object.policy_kind() == Some(PolicyKind::CiliumNetworkPolicy)
        && foreign_namespace::named_by(spec, own).is_some()
    {
        return None;
    }
    let reserved = selector.has_key(|requirement| requirement.source == Some(LabelSource::Reserved));
    let help = if reserved && object.policy_kind() == Some(PolicyKind::CiliumNetworkPolicy) {
        "endpoints with reserved labels have no namespace: make it a CiliumClusterwideNetworkPolicy"
            .to_owned()
    } else if host_network_pods::selected_in_vain(context, rule, selector).is_some()
        || is_seldom(selector)
        || is_joined_by_label(selector)
        || is_filtered(context, selector)
    {
        return None;
    } else {
        selector_advice::advice(&context.alike, selector, None)
    };
    let node =
        ["endpointSelector", "podSelector", "subject"].iter().find_map(|key| spec.get(key)).unwrap_or(spec);
    let message = format!("{} selects no endpoint of the topology", context.name(&rule.entries[0]));
    let place = context.place(entry, node.position);
    Some(Diagnostic::warning(place, "selects-nothing", message).help(help))
}

/// Whether a selector is about endpoints that a topology need not have.
fn is_seldom(selector: &Selector) -> bool {
    let mut written = selector.requirements.iter().filter(|requirement| !requirement.implied);
    written.all(|r| r.source == Some(LabelSource::Reserved) && SELDOM.contains(&r.key.as_str()))
        && selector.has_key(|requirement| requirement.source == Some(LabelSource::Reserved))
}

/// Whether a selector has a label that no identity has, for which there is another warning.
fn is_filtered(context: &LintContext<'_>, selector: &Selector) -> bool {
    filtered_label::filtered(selector, &context.model.behaviour).next().is_some()
}

/// Whether a selector has only labels of namespaces: such a policy often waits for namespaces to join it.
fn is_joined_by_label(selector: &Selector) -> bool {
    let mut written = selector.requirements.iter().filter(|requirement| !requirement.implied).peekable();
    written.peek().is_some() && written.all(|requirement| requirement.key.starts_with(NAMESPACE_LABELS))
}

fn peer(context: &LintContext<'_>, entry: &RuleEntry, peer: &Peer) -> Option<Diagnostic> {
    let place = context.place(entry, peer.position);
    match &peer.matcher {
        PeerMatcher::Selector(selector) if !peer.field.leads_through_services() && !is_seldom(selector) => {
            if context.selects_any(selector) || is_filtered(context, selector) {
                return None;
            }
            let message = format!("this peer of {} is not an endpoint of the topology", context.name(entry));
            let help = if peer.field == PeerField::Nodes {
                // A topology names other nodes only if they take part.
                subjects_of_other_nodes(context)?;
                format!("no node other than that of the pods has {selector}")
            } else {
                selector_advice::advice(&context.alike, selector, peer.field.word(entry.direction))
            };
            Some(Diagnostic::warning(place, PEER, message).help(help))
        }
        PeerMatcher::Cidr { within, .. } if within.is_empty() => {
            let group = context.peer_node(entry, peer)?.get("cidrGroupRef")?.text()?;
            let message =
                format!("no CiliumCIDRGroup {group} is among the policies, so this peer matches nothing");
            Some(Diagnostic::warning(place, PEER, message).help("add the group, or correct its name"))
        }
        _ => None,
    }
}

/// None if the topology has nodes other than that of the pods.
fn subjects_of_other_nodes(context: &LintContext<'_>) -> Option<()> {
    let mut subjects = context.model.subjects.values();
    subjects.any(|subject| subject.identity.is_reserved("remote-node")).then_some(())
}

/// The services that an entry names and the topology does not have.
fn missing_services(context: &LintContext<'_>, topology: &Topology, entry: &RuleEntry) -> Vec<Diagnostic> {
    let list = context.item(&entry.origin).and_then(|item| item.get("toServices"));
    let elements = list.filter(|_| entry.effect == Effect::Allow).map_or(&[][..], YamlNode::elements);
    let text =
        |node: &YamlNode, key: &str| node.get(key).and_then(YamlNode::text).unwrap_or_default().to_owned();
    let mut warnings = Vec::new();
    for element in elements {
        let Some(service) = element.get("k8sService") else { continue };
        let (wanted, namespace) = (text(service, "serviceName"), text(service, "namespace"));
        let is_it = |name: &verdikt_scenario::name::NamespacedName| {
            name.name.as_str() == wanted && (namespace.is_empty() || name.namespace.as_str() == namespace)
        };
        if topology.services.keys().any(is_it) {
            continue;
        }
        let named = if namespace.is_empty() { wanted } else { format!("{namespace}/{wanted}") };
        let message = format!("the topology has no service {named}");
        let help = if matches!(entry.peers, Peers::Any) {
            "until it exists the rule names no peer: its ports, if it has any, are open to everyone"
        } else {
            "until it exists the peer matches nothing"
        };
        warnings.push(Diagnostic::warning(context.place(entry, element.position), PEER, message).help(help));
    }
    warnings
}
