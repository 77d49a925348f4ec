//! One file for each command.

pub(crate) mod check;
pub(crate) mod explain;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod schema;

mod reports;

use std::path::PathBuf;

use verdikt_scenario::diagnostic::Severity;
use verdikt_scenario::loader::{Loaded, load};

use crate::failure::Failure;
use crate::printer::Printer;

/// The folder that is meant where no path is given.
const DEFAULT_FOLDER: &str = "scenarios";

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
fn load_scenarios(paths: &[PathBuf], printer: &Printer) -> Result<Loaded, Failure> {
    let loaded = load(paths);
    if loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(Failure::mistakes(loaded.diagnostics, loaded.sources));
    }
    printer.diagnostics(&loaded.diagnostics, &loaded.sources);
    Ok(loaded)
}
