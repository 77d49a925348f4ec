//! Reports in files, made from the events of a run. An older one stays until the new one is whole.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use verdikt_report::diagnostics::{self, Checked};
use verdikt_report::{github, json, junit, markdown, sarif};
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_verdict::event::Event;

use crate::arguments::{ReportFile, ReportKind, Reports};
use crate::failure::Failure;
use crate::files;
use crate::printer::Printer;

/// Where a file is or will be, however it is written.
pub(crate) fn place_of(path: &Path) -> PathBuf {
    let in_folder = || {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Some(folder.unwrap_or(Path::new(".")).canonicalize().ok()?.join(path.file_name()?))
    };
    path.canonicalize().ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

/// Makes sure that every report can be written, before anything runs.
pub(crate) fn check(reports: &Reports) -> Result<(), Failure> {
    for ReportFile { path, .. } in reports.files.iter().filter(|report| !report.is_stdout()) {
        files::check(path).map_err(|error| Failure::file("write the report", path, &error))?;
    }
    Ok(())
}

/// Writes every report of a run.
pub(crate) fn write(reports: &Reports, events: &[Event]) -> Result<(), Failure> {
    each(reports, |kind| match kind {
        ReportKind::Junit => junit::junit(events).map_err(|error| error.to_string()),
        ReportKind::Json => json::json(events).map_err(|error| error.to_string()),
        ReportKind::Markdown => Ok(markdown::markdown(events)),
        ReportKind::Github => Ok(github::github(events)),
        ReportKind::Sarif => Ok(sarif::sarif(events)),
    })
}

/// Writes every report of what is wrong with files. `denied` says whether warnings are as bad as mistakes.
pub(crate) fn write_diagnostics(
    reports: &Reports,
    checked: Checked,
    found: &[Diagnostic],
    denied: bool,
) -> Result<(), Failure> {
    each(reports, |kind| match kind {
        ReportKind::Junit => diagnostics::junit(checked, found, denied).map_err(|error| error.to_string()),
        ReportKind::Json => diagnostics::json(checked, found).map_err(|error| error.to_string()),
        ReportKind::Markdown => Ok(diagnostics::markdown(checked, found)),
        ReportKind::Github => Ok(github::diagnostics(found)),
        ReportKind::Sarif => Ok(sarif::diagnostics(found)),
    })
}

fn each(reports: &Reports, text: impl Fn(ReportKind) -> Result<String, String>) -> Result<(), Failure> {
    for report in &reports.files {
        let failed = |cause: &dyn Display| Failure::file("write the report", &report.path, cause);
        let text = text(report.kind).map_err(|cause| failed(&cause))?;
        if report.is_stdout() {
            Printer::report(&text)?;
        } else {
            files::replace(&report.path, text.as_bytes()).map_err(|error| failed(&error))?;
        }
    }
    Ok(())
}
