//! What the API server makes of an object: it refuses it, or stores it without the fields it does not know.
//!
//! The schemas of the four kinds are tables; one walker holds an object against them and words its findings as the
//! API server does. <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation>

mod check;
mod cilium;
mod kubernetes;
mod schema;
mod text;

use std::borrow::Cow;

use verdikt_scenario::document::{Entry, Node, Value};
use verdikt_scenario::place::Position;
use verdikt_scenario::scenario::FieldValidation;
use verdikt_scenario::version::CiliumVersion;

use schema::{Object, Type};

/// What becomes of an object at the API server.
#[derive(Clone, Debug)]
pub struct Admission<'a> {
    /// Why it is refused; it is stored if there is no reason.
    pub refusals: Vec<Refusal>,
    /// What is stored, and what the agent sees.
    pub stored: Cow<'a, Node>,
}

/// One reason to refuse an object, in words close to those of who refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The words.
    pub message: String,
    /// Where in the object's file.
    pub position: Position,
}

/// Judges an object as the API server of a cluster with this Cilium version does.
pub fn admit(object: &Node, version: CiliumVersion, field_validation: FieldValidation) -> Admission<'_> {
    let Some(schema) = schema_of(object) else {
        let message = "no kind of object that verdikt knows".to_owned();
        return Admission {
            refusals: vec![Refusal { message, position: object.position }],
            stored: Cow::Borrowed(object),
        };
    };
    // A client that is strict refuses unknown fields before anything else is looked at.
    let strict = field_validation == FieldValidation::Strict;
    let unknown = if strict { check::unknown_fields(object, schema, version) } else { Vec::new() };
    let stored = prune(object, version);
    let refusals = if unknown.is_empty() { check::refusals(&stored, schema, version) } else { unknown };
    Admission { refusals, stored }
}

/// The object without the fields the API server does not know; borrowed if there is none.
pub fn prune(object: &Node, version: CiliumVersion) -> Cow<'_, Node> {
    match schema_of(object) {
        Some(schema) => prune_object(object, schema, version),
        None => Cow::Borrowed(object),
    }
}

fn schema_of(object: &Node) -> Option<&'static Object> {
    match object.get("kind")?.text()? {
        "NetworkPolicy" => Some(&kubernetes::NETWORK_POLICY),
        "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy" => Some(&cilium::POLICY),
        "CiliumCIDRGroup" => Some(&cilium::CIDR_GROUP),
        _ => None,
    }
}

fn prune_object<'a>(node: &'a Node, schema: &Object, version: CiliumVersion) -> Cow<'a, Node> {
    let Value::Map(entries) = &node.value else { return Cow::Borrowed(node) };
    let mut kept: Option<Vec<Entry>> = None;
    for (index, entry) in entries.iter().enumerate() {
        let pruned =
            schema.field(&entry.key, version).map(|field| prune_value(&entry.value, &field.kind, version));
        match (&mut kept, pruned) {
            (None, Some(Cow::Borrowed(_))) => {}
            (None, other) => {
                let mut before = entries[..index].to_vec();
                before.extend(other.map(|value| Entry { value: value.into_owned(), ..entry.clone() }));
                kept = Some(before);
            }
            (Some(kept), other) => {
                kept.extend(other.map(|value| Entry { value: value.into_owned(), ..entry.clone() }));
            }
        }
    }
    kept.map_or(Cow::Borrowed(node), |entries| {
        Cow::Owned(Node { value: Value::Map(entries), position: node.position })
    })
}

fn prune_value<'a>(node: &'a Node, kind: &Type, version: CiliumVersion) -> Cow<'a, Node> {
    match (kind, &node.value) {
        (Type::Object(schema), _) => prune_object(node, schema, version),
        (Type::List { element, .. }, Value::List(elements)) => {
            let pruned: Vec<Cow<'_, Node>> =
                elements.iter().map(|node| prune_value(node, element, version)).collect();
            if pruned.iter().all(|node| matches!(node, Cow::Borrowed(_))) {
                return Cow::Borrowed(node);
            }
            let elements = pruned.into_iter().map(Cow::into_owned).collect();
            Cow::Owned(Node { value: Value::List(elements), position: node.position })
        }
        _ => Cow::Borrowed(node),
    }
}

#[cfg(test)]
mod tests;
