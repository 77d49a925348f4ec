//! The JSON Schema of the scenario format, generated from the types, for editors and for the structural check.

pub(crate) mod check;

use std::sync::OnceLock;

use serde_json::Value;

use crate::file::ScenarioFile;

/// The JSON Schema of scenario files (draft 2020-12).
pub fn json_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(ScenarioFile).to_value())
}

/// The same as text, with a final line break: the content of `scenarios/schema.json`.
pub fn json_schema_text() -> String {
    format!("{:#}\n", json_schema())
}

#[cfg(test)]
mod tests;
