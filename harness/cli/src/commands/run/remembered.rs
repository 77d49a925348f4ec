//! The cells that were not as expected in the last run from a folder: what `run --failed` runs again.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use verdikt_runner::filter::Filter;
use verdikt_scenario::cell_name::StepName;
use verdikt_verdict::compare::CellResult;
use verdikt_verdict::event::Event;

use crate::failure::Failure;
use crate::files;

/// Names of cells, and patterns for all cells of steps and scenarios without verdicts.
#[derive(Debug, Default)]
pub(super) struct DifferingCells {
    names: BTreeSet<String>,
}

impl DifferingCells {
    /// Adds the cells of an event that are not as expected.
    pub(super) fn add(&mut self, event: &Event) {
        let of_step = |scenario: &str, step: &str| format!("{}/*", StepName { scenario, step });
        match event {
            Event::CellJudged(cell) if cell.result != CellResult::AsExpected => {
                self.names.insert(cell.name().to_string());
            }
            Event::ObjectJudged(object) if !object.as_expected => {
                self.names.insert(of_step(&object.scenario, &object.step));
            }
            Event::InvariantJudged(judged) if !judged.is_as_expected() => {
                self.names.insert(of_step(&judged.scenario, &judged.step));
            }
            Event::ScenarioFailed(failed) => {
                // With an empty step the name is the scenario and a slash.
                let name = StepName { scenario: &failed.scenario, step: "" }.to_string();
                self.names.insert(format!("{name}*"));
            }
            _ => {}
        }
    }

    /// Saves the names in place of those of the last run. A failure to save them does not fail the run.
    pub(super) fn keep(&self) {
        let Some(file) = file() else { return };
        let _ = if self.names.is_empty() {
            fs::remove_file(&file)
        } else {
            let lines: String = self.names.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
            let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
            folder.and_then(|()| files::replace(&file, lines.as_bytes()))
        };
    }

    /// The filters for the cells that were not as expected in the last run.
    pub(super) fn filters() -> Result<Vec<Filter>, Failure> {
        let nothing = || {
            Failure::nothing("there is nothing to run again")
                .hint("the last run from this folder was as expected, or there was none")
        };
        let file = file().ok_or_else(nothing)?;
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(nothing()),
            Err(error) => return Err(Failure::file("read what the last run has left,", &file, &error)),
        };
        let filters = text.lines().map(|line| {
            let Ok(filter) = line.parse::<Filter>();
            filter
        });
        Ok(filters.collect())
    }
}

/// The file for this folder, in the user's cache.
fn file() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(|| env::home_dir().map(|home| home.join(".cache")))?;
    let here = env::current_dir().ok()?;
    let mut name = String::new();
    for byte in Sha256::digest(here.as_os_str().as_encoded_bytes()).into_iter().take(12) {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Some(cache.join("verdikt").join("failed").join(name))
}
