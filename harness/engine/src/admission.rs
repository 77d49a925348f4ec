//! What the API server does with an object: it refuses it, or stores it without the fields it does not know.
//!
//! The schemas of the kinds are tables. One walker compares an object with them and words refusals as the API server
//! does.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation>

mod check;
mod cilium;
mod cluster_network_policy;
mod kubernetes;
mod label;
mod metadata;
mod prune;
mod schema;
mod text;

use std::borrow::Cow;

use verdikt_scenario::document::YamlNode;
use verdikt_scenario::policy::PolicyKind;
use verdikt_scenario::scenario::FieldValidation;
use verdikt_scenario::topology::ApiChannel;
use verdikt_scenario::version::CiliumVersion;

use schema::ObjectSchema;

use crate::behaviour;
use crate::refusal::{Refusal, RefusalKind, RefusedPart};

/// Whether the API server stores an object, and in which form.
#[derive(Clone, Debug)]
pub struct Admission<'a> {
    /// Why it is refused; it is stored if this is empty.
    pub refusals: Vec<Refusal>,
    /// The object as it is stored, which the agent sees.
    pub stored: Cow<'a, YamlNode>,
}

/// Admits or refuses an object as the API server of a cluster with this Cilium version does.
pub fn admit(object: &YamlNode, version: CiliumVersion, field_validation: FieldValidation) -> Admission<'_> {
    admit_by(ApiChannel::default(), object, version, field_validation)
}

/// The same for a channel of the network policy API.
pub fn admit_by(
    channel: ApiChannel,
    object: &YamlNode,
    version: CiliumVersion,
    field_validation: FieldValidation,
) -> Admission<'_> {
    let kind = match served_kind(object, version, channel) {
        Ok(kind) => kind,
        Err(message) => {
            let (kind, part) = (RefusalKind::NotServed, RefusedPart::Identity);
            let refusals = vec![Refusal { kind, part, message, position: object.position }];
            return Admission { refusals, stored: Cow::Borrowed(object) };
        }
    };
    // A strict client refuses unknown fields before anything else is checked.
    let strict = field_validation == FieldValidation::Strict;
    let unknown = if strict { check::unknown_fields(object, kind.schema, version) } else { Vec::new() };
    let stored = prune::prune(object, kind, version);
    let refusals = if unknown.is_empty() { check::refusals(&stored, kind.schema, version) } else { unknown };
    Admission { refusals, stored }
}

/// The object without unknown fields and without nulls; borrowed if there are none.
pub fn prune(object: &YamlNode, version: CiliumVersion) -> Cow<'_, YamlNode> {
    prune_by(ApiChannel::default(), object, version)
}

/// The same for a channel of the network policy API.
pub fn prune_by(channel: ApiChannel, object: &YamlNode, version: CiliumVersion) -> Cow<'_, YamlNode> {
    match kind_of(object, channel) {
        Some(kind) => prune::prune(object, kind, version),
        None => Cow::Borrowed(object),
    }
}

/// The schema of a kind of object in the API server.
#[derive(Clone, Copy, Debug)]
struct KindSchema {
    kind: PolicyKind,
    schema: &'static ObjectSchema,
}

impl KindSchema {
    fn of(kind: PolicyKind, channel: ApiChannel) -> Self {
        let schema = match (kind, channel) {
            (PolicyKind::NetworkPolicy, _) => &kubernetes::NETWORK_POLICY,
            (PolicyKind::CiliumNetworkPolicy | PolicyKind::CiliumClusterwideNetworkPolicy, _) => {
                &cilium::POLICY
            }
            (PolicyKind::CiliumCidrGroup, _) => &cilium::CIDR_GROUP,
            (PolicyKind::ClusterNetworkPolicy, ApiChannel::Experimental) => &cluster_network_policy::POLICY,
            (PolicyKind::ClusterNetworkPolicy, ApiChannel::Standard) => {
                &cluster_network_policy::STANDARD_POLICY
            }
        };
        Self { kind, schema }
    }

    /// A null in a custom resource is dropped; in a built-in kind it is an empty value.
    /// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable>
    fn drops_nulls(&self) -> bool {
        self.kind.is_custom()
    }

    /// Whether the API server of a cluster with this Cilium serves the kind in a version of its API.
    fn is_served_as(&self, api_version: &str, cilium: CiliumVersion) -> bool {
        let known = self.kind.api_versions().any(|served| served == api_version);
        known && behaviour::schema::serves(self.kind, api_version).contain(cilium)
    }
}

fn kind_of(object: &YamlNode, channel: ApiChannel) -> Option<KindSchema> {
    Some(KindSchema::of(object.get("kind")?.text()?.parse().ok()?, channel))
}

/// The kind of an object, or why the API server has no such kind.
fn served_kind(object: &YamlNode, version: CiliumVersion, channel: ApiChannel) -> Result<KindSchema, String> {
    let text = |key: &str| object.get(key).and_then(YamlNode::text).ok_or_else(|| format!("{key} not set"));
    let (api_version, name) = (text("apiVersion")?, text("kind")?);
    let missing = || format!("no matches for kind {name:?} in version {api_version:?}");
    kind_of(object, channel).filter(|kind| kind.is_served_as(api_version, version)).ok_or_else(missing)
}

#[cfg(test)]
mod tests;
