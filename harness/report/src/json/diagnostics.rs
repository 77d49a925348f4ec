//! What `check` found as one JSON document.

use serde::Serialize;
use verdikt_scenario::diagnostic::{Diagnostic, Severity};

use super::FORMAT;
use crate::diagnostics::{CheckReport, Checked};

#[derive(Serialize)]
struct DiagnosticsDocument<'a> {
    format: u32,
    verdikt: &'a str,
    #[serde(flatten)]
    checked: Checked,
    mistakes: usize,
    warnings: usize,
    hints: usize,
    diagnostics: &'a [Diagnostic],
}

/// The document of what `check` found, indented, with a line's end after the last line.
pub fn diagnostics(report: &CheckReport<'_>) -> Result<String, serde_json::Error> {
    let document = DiagnosticsDocument {
        format: FORMAT,
        verdikt: env!("CARGO_PKG_VERSION"),
        checked: report.checked,
        mistakes: report.count(Severity::Error),
        warnings: report.count(Severity::Warning),
        hints: report.count(Severity::Hint),
        diagnostics: report.diagnostics,
    };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}
