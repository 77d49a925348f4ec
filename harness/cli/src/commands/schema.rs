//! `verdikt schema`: the JSON Schemas of scenario files and of the event log.

use std::process::ExitCode;

use verdikt_scenario::schema::json_schema_text;
use verdikt_verdict::schema::event_schema_text;

use crate::arguments::SchemaArguments;
use crate::failure::Failure;
use crate::printer::Printer;

pub(crate) fn schema(arguments: &SchemaArguments) -> Result<ExitCode, Failure> {
    let text = if arguments.events { event_schema_text() } else { json_schema_text() };
    Printer::json(&text)?;
    Ok(ExitCode::SUCCESS)
}
