//! `verdikt schema`: the JSON Schema of scenario files.

use std::process::ExitCode;

use verdikt_scenario::schema::json_schema_text;

use crate::failure::Failure;
use crate::printer::Printer;

pub(crate) fn schema() -> Result<ExitCode, Failure> {
    Printer::json(&json_schema_text())?;
    Ok(ExitCode::SUCCESS)
}
