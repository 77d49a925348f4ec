//! One file for each command.

pub(crate) mod check;
pub(crate) mod clean;
pub(crate) mod cluster;
pub(crate) mod diff;
pub(crate) mod documents;
pub(crate) mod explain;
pub(crate) mod explain_warning;
pub(crate) mod images;
pub(crate) mod init;
#[cfg(target_os = "linux")]
pub(crate) mod lab;
#[cfg(not(target_os = "linux"))]
pub(crate) use crate::lab_use::elsewhere as lab;
pub(crate) mod matrix;
pub(crate) mod questions;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod schema;

use std::path::PathBuf;

use verdikt_manifests::situation::loader;
use verdikt_scenario::diagnostic::Severity;
use verdikt_scenario::loader::{AllUnrendered, FileReach, Loaded};
use verdikt_scenario::plain::counted;

use crate::failure::Failure;
use crate::files::DEFAULT_FOLDER;
use crate::printer::Printer;

/// The paths a command is about.
fn paths_or_default(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if !paths.is_empty() {
        return Ok(paths.to_vec());
    }
    let folder = PathBuf::from(DEFAULT_FOLDER);
    if folder.is_dir() {
        return Ok(vec![folder]);
    }
    Err(Failure::wrong(format!("no path is given, and there is no folder `{DEFAULT_FOLDER}` here"))
        .hint("name scenario files or folders, or go to a folder that has `scenarios`"))
}

/// Loads scenarios; warnings are shown, mistakes fail.
pub(crate) fn load_scenarios(
    paths: &[PathBuf],
    reach: FileReach,
    printer: &Printer,
) -> Result<Loaded, Failure> {
    let loaded = load_without_mistakes(paths, paths, reach)?;
    printer.diagnostics(&loaded.diagnostics, &loaded.sources);
    Ok(loaded)
}

/// Loads the scenarios of some of a command's paths, and shows only their warnings.
fn load_without_mistakes(named: &[PathBuf], paths: &[PathBuf], reach: FileReach) -> Result<Loaded, Failure> {
    let loaded = loader(named, reach).scenarios(paths);
    if loaded.is_empty {
        return Err(Failure::nothing_in(loaded.diagnostics, loaded.sources));
    }
    if loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(Failure::mistakes(loaded.diagnostics, loaded.sources));
    }
    Ok(loaded)
}

/// Prints how much was skipped, so that it is not taken for checked.
fn tell_skipped((documents, files): (usize, usize)) {
    let mut parts = Vec::new();
    if documents > 0 {
        let are = if documents == 1 { "is not a policy" } else { "are not policies" };
        parts.push(format!("{} that {are}", counted(documents, "document")));
    }
    if files > 0 {
        parts.push(counted(files, "empty file"));
    }
    if !parts.is_empty() {
        Printer::tell(&format!("skipped {}\n", parts.join(" and ")));
    }
}

/// Prints what is not checked in the form in which it will be applied, with what to do.
fn tell_unrendered(unrendered: &AllUnrendered, printer: &Printer) {
    for (why, names) in unrendered {
        printer.note(&why.remark(names, "check"));
    }
}
