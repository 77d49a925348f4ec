//! The specification of a `NetworkPolicy`, as Cilium reads it.
//!
//! It differs from Kubernetes in one point: both sections are enforced, whatever `policyTypes` lists.
//! <https://kubernetes.io/docs/concepts/services-networking/network-policies/>

use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::precedence::Precedence;
use verdikt_scenario::topology::Protocol;

use super::ports::{is_service_name, last_port};
use super::selectors::{Keys, confine_subject, imply_cluster, selector};
use super::{ParseContext, cidr, list, number, refusal, text};
use crate::behaviour::Behaviour;
use crate::label::NAMESPACE;
use crate::refusal::Refusal;
use crate::rule::{
    Direction, Effect, EntryOrigin, Peer, PeerField, PeerMatcher, Peers, PortMatcher, PortPath, PortRule,
    Ports, Rule, RuleEntry, RuleReference, Section, Subject,
};
use crate::selector::{Operator, Requirement, Selector};

/// Reads the specification.
pub(super) fn rule(spec: &YamlNode, context: &ParseContext<'_>) -> Result<Rule, Refusal> {
    let mut subject = match spec.get("podSelector") {
        Some(node) => selector(node, Keys::OfPods, context.behaviour)?,
        None => Selector::default(),
    };
    let namespace = context.namespace.unwrap_or("default");
    confine_subject(&mut subject, spec, namespace);
    let mut entries = Vec::new();
    for (index, item) in list(spec, "ingress")?.unwrap_or_default().iter().enumerate() {
        entries.push(entry(item, index, Section::Ingress, namespace, context)?);
    }
    for (index, item) in list(spec, "egress")?.unwrap_or_default().iter().enumerate() {
        entries.push(entry(item, index, Section::Egress, namespace, context)?);
    }
    let types = spec.get("policyTypes");
    let has_type =
        |word: &str| types.is_some_and(|types| types.elements().iter().any(|t| t.text() == Some(word)));
    let has = |entries: &[RuleEntry], direction| entries.iter().any(|entry| entry.direction == direction);
    let place = types.unwrap_or(spec);
    // Without `policyTypes`, Kubernetes assumes Ingress; a policy that lists only Egress leaves ingress open.
    if !has(&entries, Direction::Ingress) && (has_type("Ingress") || !has_type("Egress")) {
        entries.push(isolation(Direction::Ingress, place, context));
    }
    if !has(&entries, Direction::Egress) && has_type("Egress") {
        entries.push(isolation(Direction::Egress, place, context));
    }
    Ok(Rule { subject: Subject::Endpoints(subject), entries })
}

/// An entry that isolates and allows nothing.
fn isolation(direction: Direction, place: &YamlNode, context: &ParseContext<'_>) -> RuleEntry {
    let (object, position) = (context.object, place.position);
    RuleEntry {
        direction,
        effect: Effect::Allow,
        precedence: Precedence::default(),
        isolates: true,
        peers: Peers::OneOf(Vec::new()),
        requires: Vec::new(),
        ports: Ports::OneOf(Vec::new()),
        authentication: None,
        gap: None,
        origin: EntryOrigin { object, spec: None, section: Section::PolicyTypes, index: 0, position },
        reference: RuleReference::default(),
    }
}

fn entry(
    item: &YamlNode,
    index: usize,
    section: Section,
    namespace: &str,
    context: &ParseContext<'_>,
) -> Result<RuleEntry, Refusal> {
    let (direction, field) = match section {
        Section::Ingress => (Direction::Ingress, "from"),
        _ => (Direction::Egress, "to"),
    };
    let listed = list(item, field)?.unwrap_or_default();
    let mut peers = Vec::new();
    for (position, node) in listed.iter().enumerate() {
        let mut add = |matcher| {
            peers.push(Peer { matcher, field: PeerField::Peers, index: position, position: node.position });
        };
        if let Some(block) = node.get("ipBlock") {
            let matcher = cidr::ip_block(block, context)?;
            if context.behaviour.empty_blocks_name_nobody && cidr::is_empty(&matcher) {
                continue;
            }
            add(matcher);
            if direction == Direction::Ingress && context.behaviour.ip_block_admits_own_namespace {
                add(PeerMatcher::Selector(peer_selector(None, None, namespace, context)?));
            }
        } else {
            let (pods, namespaces) = (node.get("podSelector"), node.get("namespaceSelector"));
            add(PeerMatcher::Selector(peer_selector(pods, namespaces, namespace, context)?));
        }
    }
    let unnamed = peers.is_empty();
    let names_nobody = unnamed && !listed.is_empty();
    let peers = if unnamed { Peers::Any } else { Peers::OneOf(peers) };
    let listed = list(item, "ports")?.unwrap_or_default();
    let ports = listed
        .iter()
        .enumerate()
        .map(|(index, node)| port(node, index, context.behaviour))
        .collect::<Result<Vec<_>, _>>()?;
    let ports = if listed.is_empty() && !names_nobody { Ports::All } else { Ports::OneOf(ports) };
    let origin = EntryOrigin { object: context.object, spec: None, section, index, position: item.position };
    let requires = Vec::new();
    Ok(RuleEntry {
        direction,
        effect: Effect::Allow,
        precedence: Precedence::default(),
        isolates: true,
        peers,
        requires,
        ports,
        authentication: None,
        gap: None,
        origin,
        reference: RuleReference::default(),
    })
}

/// Pods by their labels, by their namespaces' labels, or by both.
fn peer_selector(
    pods: Option<&YamlNode>,
    namespaces: Option<&YamlNode>,
    namespace: &str,
    context: &ParseContext<'_>,
) -> Result<Selector, Refusal> {
    let mut requirements = match pods {
        Some(node) => selector(node, Keys::OfPods, context.behaviour)?.requirements,
        None => Vec::new(),
    };
    match namespaces {
        None => requirements.push(Requirement::implied(NAMESPACE, Operator::equals(namespace))),
        Some(node) => {
            let of_namespaces = selector(node, Keys::OfNamespaces, context.behaviour)?.requirements;
            if of_namespaces.is_empty() {
                requirements.push(Requirement::implied(NAMESPACE, Operator::Exists));
            }
            requirements.extend(of_namespaces);
        }
    }
    let mut selector = Selector { requirements };
    imply_cluster(&mut selector, context.behaviour);
    Ok(selector)
}

fn port(node: &YamlNode, index: usize, behaviour: &Behaviour) -> Result<PortRule, Refusal> {
    let protocol = match text(node, "protocol")? {
        None | Some("" | "TCP") => Protocol::Tcp,
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        Some(other) => {
            return Err(refusal(node, format!("invalid protocol {other:?}, must be TCP, UDP or SCTP")));
        }
    };
    let protocol = Some(protocol);
    let port_number =
        |number: i64| u16::try_from(number).map_err(|_| refusal(node, "port must be a port number"));
    let end_port = number(node, "endPort")?.map(port_number).transpose()?;
    let matcher = match node.get("port").map(|port| &port.value) {
        None => PortMatcher::Range { protocol, first: 0, last: u16::MAX },
        Some(Value::Integer(number)) => {
            let first = port_number(*number)?;
            PortMatcher::Range { protocol, first, last: last_port(first, end_port, behaviour) }
        }
        Some(Value::Text(name)) if is_service_name(name) => {
            PortMatcher::Name { protocol, name: name.as_str().to_ascii_lowercase(), end_port }
        }
        Some(_) => return Err(refusal(node, "port must be a number or a port name")),
    };
    let (path, position) = (PortPath::Ports(index), node.position);
    Ok(PortRule { matcher, proxy: None, path, position, reference: RuleReference::default() })
}
