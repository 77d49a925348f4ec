//! The formats of reports in files. The command line, its help and the tests of all formats go by this table.

use verdikt_verdict::event::Event;

use crate::diagnostics::CheckReport;
use crate::{github, json, junit, markdown, sarif};

/// Why a report cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not as XML.
    #[error(transparent)]
    Xml(#[from] quick_junit::SerializeError),
    /// Not as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// A format of reports in files.
#[derive(Debug)]
pub struct ReportFormat {
    /// Its word on the command line.
    pub word: &'static str,
    /// What the word does not say.
    pub note: Option<&'static str>,
    run: fn(&[Event]) -> Result<String, ReportError>,
    check: fn(&CheckReport<'_>) -> Result<String, ReportError>,
}

/// Every format.
pub static REPORT_FORMATS: &[ReportFormat] = &[
    ReportFormat {
        word: "junit",
        note: None,
        run: |events| Ok(junit::junit(events)?),
        check: |report| Ok(junit::diagnostics(report)?),
    },
    ReportFormat {
        word: "json",
        note: None,
        run: |events| Ok(json::json(events)?),
        check: |report| Ok(json::diagnostics(report)?),
    },
    ReportFormat {
        word: "markdown",
        note: None,
        run: |events| Ok(markdown::markdown(events)),
        check: |report| Ok(markdown::diagnostics(report)),
    },
    ReportFormat {
        word: "sarif",
        note: None,
        run: |events| Ok(sarif::sarif(events)),
        check: |report| Ok(sarif::diagnostics(report.diagnostics)),
    },
    ReportFormat {
        word: "github",
        note: Some("annotations as workflow commands"),
        run: |events| Ok(github::github(events)),
        check: |report| Ok(github::diagnostics(report.diagnostics)),
    },
];

impl ReportFormat {
    /// The text of a run.
    pub fn of_run(&self, events: &[Event]) -> Result<String, ReportError> {
        (self.run)(events)
    }

    /// The text of what `check` found.
    pub fn of_check(&self, report: &CheckReport<'_>) -> Result<String, ReportError> {
        (self.check)(report)
    }
}

#[cfg(test)]
mod tests;
