//! Converts policies for the API server, exactly as the author wrote them.

use serde_json::{Map, Number, Value};
use verdikt_scenario::document::{self, YamlNode};
use verdikt_scenario::policy::Manifest;

use crate::mark::RunId;
use crate::objects::{ApiObject, POLICIES, ResourceKind};

/// The namespace of an object that names none: <https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/>
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// Converts a document value by value: nothing is added, dropped or corrected.
pub(crate) fn json(node: &YamlNode) -> Value {
    match &node.value {
        document::Value::Null => Value::Null,
        document::Value::Boolean(value) => Value::Bool(*value),
        document::Value::Integer(value) => Value::Number((*value).into()),
        document::Value::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
        document::Value::Text(text) => Value::String(text.to_string()),
        document::Value::List(elements) => elements.iter().map(json).collect(),
        document::Value::Map(entries) => {
            let entries = entries.iter().map(|entry| (entry.key.to_string(), json(&entry.value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

/// The object of a manifest; the error is what `kubectl` would print.
pub(crate) fn object(manifest: &Manifest) -> Result<ApiObject, String> {
    let reference = manifest.object();
    let version = manifest.root.get("apiVersion").and_then(YamlNode::text).unwrap_or_default();
    let is_kind = |kind: &&ResourceKind| {
        kind.kind == reference.kind && format!("{}/{}", kind.group, kind.version) == version
    };
    let kind = POLICIES.iter().find(is_kind);
    let kind =
        kind.ok_or_else(|| format!("no matches for kind {:?} in version {version:?}", reference.kind))?;
    let namespace = reference.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    Ok(ApiObject::new(*kind, Some(namespace), &reference.name))
}

/// Adds the run's mark to a document's metadata.
pub(crate) fn marked(kind: ResourceKind, mut body: Value, run: &RunId) -> Value {
    let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) else { return body };
    let place = if kind.is_marked_by_annotations() { "annotations" } else { "labels" };
    let marks = metadata.entry(place).or_insert(Value::Null);
    if marks.is_null() {
        *marks = Value::Object(Map::new());
    }
    // The API server refuses what is not a map there.
    if let Some(marks) = marks.as_object_mut() {
        marks.extend(run.marks().into_iter().map(|(key, value)| (key, Value::String(value))));
    }
    body
}
