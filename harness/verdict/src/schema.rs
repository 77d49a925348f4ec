//! The JSON Schema of the event log, generated from the types, for other programs that read the log.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::event::Event;

/// The JSON Schema of one line of the log (draft 2020-12).
pub fn event_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Event>();
    schema.insert("title".to_owned(), "A line of the event log of a run of verdikt".into());
    schema.to_value()
}

/// The same as text, with a final line break.
pub fn event_schema_text() -> String {
    format!("{:#}\n", event_schema())
}
