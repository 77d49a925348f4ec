//! Reports in files, made from the events of a run. An older file stays until the new one is complete.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use verdikt_report::diagnostics::CheckReport;
use verdikt_report::format::{ReportError, ReportFormat};
use verdikt_verdict::event::Event;

use crate::arguments::{ReportFile, Reports};
use crate::failure::Failure;
use crate::files;
use crate::printer::Printer;

/// The canonical path of a file, which need not exist yet.
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
    each(reports, |format| format.of_run(events))
}

/// Writes every report of what is wrong with files.
pub(crate) fn write_diagnostics(reports: &Reports, found: &CheckReport<'_>) -> Result<(), Failure> {
    each(reports, |format| format.of_check(found))
}

fn each(
    reports: &Reports,
    text: impl Fn(&ReportFormat) -> Result<String, ReportError>,
) -> Result<(), Failure> {
    for report in &reports.files {
        let failed = |cause: &dyn Display| Failure::file("write the report", &report.path, cause);
        let text = text(report.format).map_err(|cause| failed(&cause))?;
        if report.is_stdout() {
            Printer::report(&text)?;
        } else {
            files::replace(&report.path, text.as_bytes()).map_err(|error| failed(&error))?;
        }
    }
    Ok(())
}
