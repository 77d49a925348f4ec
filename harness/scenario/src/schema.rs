//! The JSON Schema of the scenario format, generated from the types, for editors and for the structural check.

pub(crate) mod check;
mod guesses;

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::file::ScenarioFile;

/// The JSON Schema of the documents in scenario files and topology files (draft 2020-12): a scenario, its manifests,
/// or a topology. The keys of a document tell which it is.
pub fn json_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut scenario = schemars::schema_for!(ScenarioFile).to_value();
        let mut take = |key: &str| scenario.as_object_mut().and_then(|object| object.remove(key));
        let (draft, mut definitions) = (take("$schema"), take("$defs").unwrap_or_default());
        definitions["Scenario"] = scenario;
        definitions["Manifest"] = json!({
            "description": "A manifest as `kubectl apply` takes it.",
            "type": "object",
            "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}},
            "required": ["apiVersion", "kind"],
        });
        let has = |key: &str| json!({"required": [key]});
        let of_manifest: Vec<Value> = ["apiVersion", "kind"].map(has).into();
        // For an empty document, an editor suggests the keys of a scenario.
        let of_scenario = ["scenario", "about", "topology", "steps"].map(has);
        let of_scenario: Vec<Value> = of_scenario.into_iter().chain([json!({"maxProperties": 0})]).collect();
        json!({
            "$schema": draft,
            "title": "A document of a verdikt scenario file or topology file",
            "$defs": definitions,
            "if": {"anyOf": of_manifest},
            "then": {"$ref": "#/$defs/Manifest"},
            "else": {
                "if": {"anyOf": of_scenario},
                "then": {"$ref": "#/$defs/Scenario"},
                "else": {"$ref": "#/$defs/Topology"},
            },
        })
    })
}

/// The same as text, with a final line break: the content of `scenarios/schema.json`.
pub fn json_schema_text() -> String {
    format!("{:#}\n", json_schema())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod validator;
