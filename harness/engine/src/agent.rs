//! What Cilium's agent does with an object: it reads its rules, or refuses it.
//!
//! The agent sees an object as the API server stored it. One invalid rule makes it refuse the whole object, and
//! nothing of it is enforced. <https://docs.cilium.io/en/stable/security/policy/language/>

mod cidr;
mod cilium;
pub(crate) mod cluster_network_policy;
mod kubernetes;
mod peers;
mod ports;
mod proxy;
mod selectors;

use verdikt_scenario::document::{Value, YamlNode};

use verdikt_scenario::settings::Settings;

use crate::behaviour::Behaviour;
use crate::refusal::{Refusal, RefusalKind, RefusedPart};
use crate::resolve::ResolutionContext;
use crate::rule::Rule;

/// The context in which an object is parsed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParseContext<'a> {
    /// The object's index among the manifests.
    pub(crate) object: usize,
    /// Its namespace; none for a clusterwide object.
    pub(crate) namespace: Option<&'a str>,
    /// The behaviour of the Cilium version.
    pub(crate) behaviour: &'a Behaviour,
    /// Whether the cluster has addresses of both families.
    pub(crate) dual_stack: bool,
    /// The settings of the cluster's Cilium.
    pub(crate) settings: &'a Settings,
    /// The services and CIDR groups that it may refer to.
    pub(crate) surroundings: &'a ResolutionContext<'a>,
}

/// The rules of an object, and a refusal that its status does not show.
#[derive(Debug, Default)]
pub(crate) struct ParsedObject {
    /// The rules.
    pub(crate) rules: Vec<Rule>,
    /// Why agents refuse the object although its `Valid` condition is true: the operator sets it without checking the
    /// namespace.
    pub(crate) hidden: Option<Refusal>,
}

/// Reads a `CiliumNetworkPolicy` or `CiliumClusterwideNetworkPolicy`.
pub(crate) fn cilium_policy(object: &YamlNode, context: &ParseContext<'_>) -> Result<ParsedObject, Refusal> {
    let mut parsed = ParsedObject::default();
    let spec = object.get("spec").map(|spec| (None, spec));
    let specs = object.get("specs").map_or(&[][..], YamlNode::elements);
    let specs = specs.iter().enumerate().map(|(index, spec)| (Some(index), spec));
    if spec.is_none() && object.get("specs").is_none() {
        return Err(refusal(object, "spec or specs must be provided"));
    }
    for (index, spec) in spec.into_iter().chain(specs) {
        cilium::rule(spec, index, context, &mut parsed)?;
    }
    Ok(parsed)
}

/// Reads a `NetworkPolicy`.
pub(crate) fn network_policy(object: &YamlNode, context: &ParseContext<'_>) -> Result<ParsedObject, Refusal> {
    // Without a specification it selects every pod of its namespace, and isolates it.
    let nothing = YamlNode { position: object.position, value: Value::Map(Vec::new()) };
    let spec = object.get("spec").unwrap_or(&nothing);
    Ok(ParsedObject { rules: vec![kubernetes::rule(spec, context)?], hidden: None })
}

/// Reads a `ClusterNetworkPolicy`.
pub(crate) fn cluster_network_policy(
    object: &YamlNode,
    context: &ParseContext<'_>,
) -> Result<ParsedObject, Refusal> {
    let nothing = YamlNode { position: object.position, value: Value::Map(Vec::new()) };
    let spec = object.get("spec").unwrap_or(&nothing);
    Ok(ParsedObject { rules: vec![cluster_network_policy::rule(spec, context)?], hidden: None })
}

/// A refusal at a node.
fn refusal(node: &YamlNode, message: impl Into<String>) -> Refusal {
    refusal_of(RefusalKind::InvalidValue, node, message)
}

/// A refusal of a kind at a node.
fn refusal_of(kind: RefusalKind, node: &YamlNode, message: impl Into<String>) -> Refusal {
    Refusal { kind, part: RefusedPart::Specification, message: message.into(), position: node.position }
}

/// The list under a key; none if the key is absent or null.
fn list<'a>(node: &'a YamlNode, key: &str) -> Result<Option<&'a [YamlNode]>, Refusal> {
    match node.get(key) {
        None => Ok(None),
        Some(YamlNode { value: Value::List(elements), .. }) => Ok(Some(elements)),
        Some(other) => Err(cannot_decode(other, key, "a list")),
    }
}

/// The text under a key; none if the key is absent or null.
fn text<'a>(node: &'a YamlNode, key: &str) -> Result<Option<&'a str>, Refusal> {
    match node.get(key) {
        None => Ok(None),
        Some(YamlNode { value: Value::Text(text), .. }) => Ok(Some(text)),
        Some(other) => Err(cannot_decode(other, key, "a text")),
    }
}

/// The number under a key; none if the key is absent or null.
fn number(node: &YamlNode, key: &str) -> Result<Option<i64>, Refusal> {
    match node.get(key) {
        None => Ok(None),
        Some(YamlNode { value: Value::Integer(number), .. }) => Ok(Some(*number)),
        Some(other) => Err(cannot_decode(other, key, "a whole number")),
    }
}

/// The text of a list's element.
fn element_text<'a>(node: &'a YamlNode, field: &str) -> Result<&'a str, Refusal> {
    node.text().ok_or_else(|| cannot_decode(node, field, "a text"))
}

fn cannot_decode(node: &YamlNode, field: &str, wanted: &str) -> Refusal {
    refusal(
        node,
        format!("cannot decode {field}: {wanted} is wanted, and {} is given", node.value.type_name()),
    )
}
