//! Reports in files, made from the events of a run. An older one stays until the new one is whole.

use std::path::{Path, PathBuf};

use verdikt_report::{github, json, junit, markdown};
use verdikt_verdict::event::Event;

use crate::arguments::{ReportFile, ReportKind};
use crate::failure::Failure;
use crate::files;

/// Where a file is or will be, however it is written.
pub(crate) fn place_of(path: &Path) -> PathBuf {
    let in_folder = || {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Some(folder.unwrap_or(Path::new(".")).canonicalize().ok()?.join(path.file_name()?))
    };
    path.canonicalize().ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

/// Makes sure that every report can be written, before anything runs.
pub(crate) fn check(reports: &[ReportFile]) -> Result<(), Failure> {
    for ReportFile { path, .. } in reports {
        files::check(path).map_err(|error| Failure::file("write the report", path, &error))?;
    }
    Ok(())
}

/// Writes every report.
pub(crate) fn write(reports: &[ReportFile], events: &[Event]) -> Result<(), Failure> {
    for ReportFile { kind, path } in reports {
        let text = match kind {
            ReportKind::Junit => junit::junit(events).map_err(|error| error.to_string()),
            ReportKind::Json => json::json(events).map_err(|error| error.to_string()),
            ReportKind::Markdown => Ok(markdown::markdown(events)),
            ReportKind::Github => Ok(github::github(events)),
        };
        let failed = |cause: &dyn std::fmt::Display| Failure::file("write the report", path, cause);
        let text = text.map_err(|cause| failed(&cause))?;
        files::replace(path, text.as_bytes()).map_err(|error| failed(&error))?;
    }
    Ok(())
}
