//! What the API server makes of an object: it refuses it, or stores it without the fields it does not know.
//!
//! The schemas of the four kinds are tables; one walker holds an object against them and words its findings as the
//! API server does. <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation>

mod check;
mod cilium;
mod kubernetes;
mod label;
mod metadata;
mod prune;
mod schema;
mod text;

use std::borrow::Cow;

use verdikt_scenario::document::Node;
use verdikt_scenario::place::Position;
use verdikt_scenario::scenario::FieldValidation;
use verdikt_scenario::version::CiliumVersion;

use schema::Object;

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
    let kind = match served_kind(object, version) {
        Ok(kind) => kind,
        Err(message) => {
            let refusals = vec![Refusal { message, position: object.position }];
            return Admission { refusals, stored: Cow::Borrowed(object) };
        }
    };
    // A client that is strict refuses unknown fields before anything else is looked at.
    let strict = field_validation == FieldValidation::Strict;
    let unknown = if strict { check::unknown_fields(object, kind.schema, version) } else { Vec::new() };
    let stored = prune::prune(object, kind, version);
    let refusals = if unknown.is_empty() { check::refusals(&stored, kind.schema, version) } else { unknown };
    Admission { refusals, stored }
}

/// The object without the fields the API server does not know and without nulls; borrowed if there are none.
pub fn prune(object: &Node, version: CiliumVersion) -> Cow<'_, Node> {
    match kind_of(object) {
        Some(kind) => prune::prune(object, kind, version),
        None => Cow::Borrowed(object),
    }
}

/// A kind of object.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    /// The versions of the API that serve it, and since when.
    served: &'static [(&'static str, CiliumVersion)],
    schema: &'static Object,
    /// A null in an object of a custom resource is dropped; in a kind of Kubernetes' own it is an empty value.
    /// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable>
    custom: bool,
}

static KINDS: [Kind; 4] = [
    Kind {
        name: "NetworkPolicy",
        served: &[("networking.k8s.io/v1", CiliumVersion::V1_16)],
        schema: &kubernetes::NETWORK_POLICY,
        custom: false,
    },
    Kind {
        name: "CiliumNetworkPolicy",
        served: &[("cilium.io/v2", CiliumVersion::V1_16)],
        schema: &cilium::POLICY,
        custom: true,
    },
    Kind {
        name: "CiliumClusterwideNetworkPolicy",
        served: &[("cilium.io/v2", CiliumVersion::V1_16)],
        schema: &cilium::POLICY,
        custom: true,
    },
    Kind {
        name: "CiliumCIDRGroup",
        served: &[("cilium.io/v2alpha1", CiliumVersion::V1_16), ("cilium.io/v2", CiliumVersion::V1_18)],
        schema: &cilium::CIDR_GROUP,
        custom: true,
    },
];

fn kind_of(object: &Node) -> Option<&'static Kind> {
    let name = object.get("kind")?.text()?;
    KINDS.iter().find(|kind| kind.name == name)
}

/// The kind of an object, or why the API server has none such.
fn served_kind(object: &Node, version: CiliumVersion) -> Result<&'static Kind, String> {
    let text = |key: &str| object.get(key).and_then(Node::text).ok_or_else(|| format!("{key} not set"));
    let (api_version, name) = (text("apiVersion")?, text("kind")?);
    let serves =
        |kind: &Kind| kind.served.iter().any(|&(served, since)| served == api_version && since <= version);
    let missing = || format!("no matches for kind {name:?} in version {api_version:?}");
    kind_of(object).filter(|kind| serves(kind)).ok_or_else(missing)
}

#[cfg(test)]
mod tests;
