//! The schema as an editor applies it, through an independent validator.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use super::json_schema;

/// The compiled schema.
pub(crate) struct SchemaValidator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl SchemaValidator {
    /// Compiles the schema.
    pub(crate) fn new() -> Self {
        // The base address of the schema; nothing is read from there.
        const PLACE: &str = "http://localhost/schema.json";
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource(PLACE, json_schema().clone()).unwrap();
        let index = compiler.compile(PLACE, &mut schemas).unwrap();
        Self { schemas, index }
    }

    /// What the schema rejects in a document.
    pub(crate) fn errors_of(&self, document: &Value) -> Option<String> {
        self.schemas.validate(document, self.index).err().map(|error| format!("{error:#}"))
    }

    /// Whether the schema accepts a document.
    pub(crate) fn is_valid(&self, document: &Value) -> bool {
        self.errors_of(document).is_none()
    }
}
