//! What a lab runs: a step of a scenario, or manifests without a table.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use verdikt_scenario::scenario::{Scenario, Step};

use crate::arguments::LabArguments;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::situation::LoadedSituation;
use crate::watch::folder_of;

/// What a lab runs.
pub(super) struct LabSubject {
    pub(super) scenario: Scenario,
    step: usize,
    /// Its files.
    files: BTreeSet<PathBuf>,
}

impl LabSubject {
    /// Reads the files.
    pub(super) fn read(arguments: &LabArguments, printer: &Printer) -> Result<Self, Failure> {
        let situation = LoadedSituation::read(&arguments.asked(), printer)?;
        let files = situation.files.clone();
        let (scenario, step) = situation.into_scenario(&name_of(&arguments.paths));
        if scenario.steps[step].topology.pods.is_empty() {
            return Err(Failure::nothing("there are no pods to start")
                .hint("name manifests with workloads, or a topology file, beside the policies"));
        }
        Ok(Self { scenario, step, files })
    }

    /// The step that the lab runs.
    pub(super) fn step(&self) -> &Step {
        &self.scenario.steps[self.step]
    }

    /// The folders to watch for saved files; none if some input can be read only once.
    pub(super) fn folders(&self, arguments: &LabArguments) -> Option<BTreeSet<PathBuf>> {
        if arguments.paths.iter().any(|path| is_stream(path)) {
            return None;
        }
        let named = arguments.paths.iter().filter(|path| path.is_dir()).cloned();
        Some(self.files.iter().map(|file| folder_of(file)).chain(named).collect())
    }
}

fn is_stream(path: &Path) -> bool {
    path == Path::new("-") || !(path.is_file() || path.is_dir())
}

/// The name of a lab of manifests: the name of the first file or folder.
fn name_of(paths: &[PathBuf]) -> String {
    let first = paths.first().filter(|path| !is_stream(path));
    let whole = first.and_then(|path| path.canonicalize().ok());
    let name = whole.as_deref().and_then(Path::file_stem).map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "stdin".to_owned())
}
