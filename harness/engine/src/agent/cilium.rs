//! One specification of a `CiliumNetworkPolicy` or `CiliumClusterwideNetworkPolicy`.

use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::precedence::Precedence;

use super::peers::{ItemPeers, PeerReader};
use super::ports::ports;
use super::selectors::{Keys, confine_subject, selector};
use super::{ParseContext, ParsedObject, list, refusal, refusal_of, text};
use crate::label::LabelSource;
use crate::refusal::{Refusal, RefusalKind};
use crate::rule::{
    Authentication, Direction, Effect, EntryOrigin, Gap, Ports, Proxy, Rule, RuleEntry, RuleReference,
    Section, Subject,
};

const SECTIONS: [(Section, Direction, Effect); 4] = [
    (Section::Ingress, Direction::Ingress, Effect::Allow),
    (Section::IngressDeny, Direction::Ingress, Effect::Deny),
    (Section::Egress, Direction::Egress, Effect::Allow),
    (Section::EgressDeny, Direction::Egress, Effect::Deny),
];

/// Reads one specification and adds its rule.
pub(super) fn rule(
    spec: &YamlNode,
    index: Option<usize>,
    context: &ParseContext<'_>,
    parsed: &mut ParsedObject,
) -> Result<(), Refusal> {
    let subject = subject(spec, context)?;
    let subject_is_init = matches!(&subject, Subject::Endpoints(selector) if selector.has_key(|requirement| {
        requirement.source == Some(LabelSource::Reserved) && requirement.key == "init"
    }));
    let mut entries = Vec::new();
    for (section, direction, effect) in SECTIONS {
        let isolates = isolates(spec, direction, context)?;
        let reader = PeerReader { direction, effect, subject_is_init, context };
        for (position, item) in list(spec, section.word())?.unwrap_or_default().iter().enumerate() {
            let object = context.object;
            let origin =
                EntryOrigin { object, spec: index, section, index: position, position: item.position };
            let entry = read_entry(item, &reader, origin)?;
            if matches!(subject, Subject::Nodes(_)) {
                refuse_proxies_of_nodes(item, direction, &entry.ports, context)?;
            }
            entries.push(RuleEntry { isolates, ..entry });
        }
    }
    if entries.is_empty() && context.behaviour.refuses_rules_without_direction {
        // At the first empty list, which its author took for a rule.
        let is_section = |key: &str| SECTIONS.iter().any(|(section, ..)| section.word() == key);
        let position = spec.entries().iter().find(|entry| is_section(&entry.key));
        let message = "rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny";
        let position = position.map_or(spec.position, |entry| entry.position);
        let refusal = refusal_of(RefusalKind::NoDirection, spec, message);
        return Err(Refusal { position, ..refusal });
    }
    if matches!(subject, Subject::Nodes(_)) && context.namespace.is_some() {
        let message = "a namespaced policy cannot select nodes: nodeSelector belongs to a CiliumClusterwideNetworkPolicy";
        let node = spec.get("nodeSelector").unwrap_or(spec);
        parsed.hidden = Some(refusal_of(RefusalKind::NodesOfNamespace, node, message));
    }
    parsed.rules.push(Rule { subject, entries });
    Ok(())
}

/// Reads an item of a list that isolates.
fn read_entry(item: &YamlNode, reader: &PeerReader<'_>, origin: EntryOrigin) -> Result<RuleEntry, Refusal> {
    let PeerReader { direction, effect, context, .. } = *reader;
    let ItemPeers { peers, unnamed, requires, gap } = reader.read(item)?;
    let ports = ports(item, direction, effect, context)?;
    let has_elements = |key: &str| item.get(key).is_some_and(|node| !node.elements().is_empty());
    let combines = has_elements("toServices") && has_elements("toPorts");
    if combines && !context.behaviour.services_with_ports {
        let message = "combining ToServices and ToPorts is not supported yet";
        return Err(refusal_of(RefusalKind::Combination, item, message));
    }
    let ports = match (ports, unnamed && gap.is_none()) {
        (Some(ports), _) => ports,
        (None, false) => Ports::All,
        // Neither a peer nor a port: an item that matches nothing, but isolates.
        (None, true) => Ports::OneOf(Vec::new()),
    };
    let authentication = authentication(item)?;
    let in_doubt = authentication.is_some_and(|mode| mode != Authentication::Disabled);
    let gap = gap.or(in_doubt.then_some(Gap::WhenMatched("whether mutual authentication succeeds")));
    Ok(RuleEntry {
        direction,
        effect,
        precedence: Precedence::default(),
        isolates: true,
        peers,
        requires,
        ports,
        authentication,
        gap,
        origin,
        reference: RuleReference::default(),
    })
}

fn subject(spec: &YamlNode, context: &ParseContext<'_>) -> Result<Subject, Refusal> {
    match (spec.get("endpointSelector"), spec.get("nodeSelector")) {
        (Some(_), Some(_)) => Err(refusal(spec, "rule cannot have both EndpointSelector and NodeSelector")),
        (None, None) => Err(refusal(spec, "rule must have one of EndpointSelector or NodeSelector")),
        (None, Some(node)) => selector(node, Keys::WithSource, context.behaviour).map(Subject::Nodes),
        (Some(node), None) => {
            let mut selector = selector(node, Keys::WithSource, context.behaviour)?;
            if let Some(namespace) = context.namespace {
                confine_subject(&mut selector, node, namespace);
            }
            Ok(Subject::Endpoints(selector))
        }
    }
}

/// A node has no proxy at ingress, and at egress only one for DNS.
fn refuse_proxies_of_nodes(
    item: &YamlNode,
    direction: Direction,
    ports: &Ports,
    context: &ParseContext<'_>,
) -> Result<(), Refusal> {
    let Ports::OneOf(rules) = ports else { return Ok(()) };
    let dns_passes = direction == Direction::Egress && context.behaviour.dns_rules_of_nodes;
    let refused = rules
        .iter()
        .filter_map(|rule| rule.proxy.as_deref())
        .any(|proxy| !(dns_passes && matches!(proxy, Proxy::Dns(_))));
    match (refused, direction) {
        (false, _) => Ok(()),
        (true, Direction::Ingress) => {
            Err(refusal(item, "L7 rules are not supported on the ingress of a host policy"))
        }
        (true, Direction::Egress) => {
            Err(refusal(item, "L7 rules other than DNS are not supported in a host policy"))
        }
    }
}

/// Whether items of a direction isolate: they do, unless `enableDefaultDeny` says otherwise and has an effect.
/// <https://docs.cilium.io/en/stable/security/policy/language/#policy-deny-default>
fn isolates(spec: &YamlNode, direction: Direction, context: &ParseContext<'_>) -> Result<bool, Refusal> {
    let key = match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    };
    match spec.get("enableDefaultDeny").and_then(|node| node.get(key)) {
        None => Ok(true),
        Some(YamlNode { value: Value::Boolean(value), .. }) => {
            Ok(*value || !context.settings.non_default_deny)
        }
        Some(other) => Err(super::cannot_decode(other, "enableDefaultDeny", "true or false")),
    }
}

fn authentication(item: &YamlNode) -> Result<Option<Authentication>, Refusal> {
    let Some(node) = item.get("authentication") else { return Ok(None) };
    Ok(text(node, "mode")?.map(|mode| match mode {
        "disabled" => Authentication::Disabled,
        "test-always-fail" => Authentication::TestAlwaysFail,
        _ => Authentication::Required,
    }))
}
