//! Loads scenarios, topologies and plain policies from disk. The only part that reads files.
//!
//! Any content gives scenarios or diagnostics, never a panic: only regular files inside the boundary are read, their
//! size is checked first, folders are walked once and up to a limit, and every mistake of every file is reported.

mod boundary;
mod decode;
mod disk;
mod gather;
mod kustomization;
mod manifests;
mod plain;
mod read;
mod settings;
mod shown_path;
mod text;
mod topology;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use self::boundary::Boundary;
use self::disk::Disk;
use self::walk::WalkLimits;
use crate::diagnostic::{Diagnostic, SourceTexts};
use crate::lower::mistake::Mistakes;
use crate::lower::settings::GivenSettings;
use crate::name::NamespaceName;
use crate::objects::ReadObjects;
use crate::place::Place;
use crate::policy::Manifest;
use crate::scenario::Scenario;
use crate::topology::Topology;

pub use self::boundary::FileReach;
pub use crate::lower::attempt::{as_source_means_it, parse_attempt, parse_source};
pub use crate::lower::mistake::Mistake;
pub use crate::lower::suggest::nearest;
pub use crate::rendering::{AllUnrendered, Unrendered, unrendered_text};

/// The result of loading scenarios.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The scenarios without mistakes, in the order of the paths and, inside folders, of the file names.
    pub scenarios: Vec<Scenario>,
    /// Every mistake and warning, sorted by place. Nothing may be evaluated if there is a mistake.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether the only problem is that the paths hold no scenario.
    pub is_empty: bool,
    /// The true paths of all files that the scenarios consist of: their own, and those they refer to.
    pub used: BTreeSet<PathBuf>,
    /// The same for each scenario without mistakes, by its own file as the user named it.
    pub used_by: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// The texts of the files that were read.
    pub sources: SourceTexts,
}

/// The result of loading a topology file.
#[derive(Debug)]
pub struct LoadedTopology {
    /// The topology. It must not be used if there is a mistake.
    pub topology: Topology,
    /// Every mistake and warning, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts of the files that were read.
    pub sources: SourceTexts,
}

/// The result of loading a file of Helm values.
#[derive(Debug)]
pub struct LoadedSettings {
    /// Every mistake and warning, sorted by place. Nothing may be evaluated if there is a mistake.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts of the files that were read.
    pub sources: SourceTexts,
}

/// The result of loading plain policies.
#[derive(Debug, Default)]
pub struct LoadedPolicies {
    /// The policies, in the order of the paths.
    pub manifests: Vec<Manifest>,
    /// The indexes of policies for which a mistake in kind, version, name or namespace is reported.
    pub mistaken: BTreeSet<usize>,
    /// How many documents of other kinds were skipped.
    pub ignored: usize,
    /// These documents, such as workloads and services.
    pub others: Vec<Manifest>,
    /// How many files without any document were skipped.
    pub empty_files: usize,
    /// Files that were skipped or are incomplete, because they are not rendered.
    pub unrendered: AllUnrendered,
    /// The paths that can be read and hold no policy.
    pub without: Vec<PathBuf>,
    /// Every mistake and warning, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts of the files that were read.
    pub sources: SourceTexts,
}

/// Loads every scenario of the paths, which may refer only to files within the paths and their repositories.
pub fn load(paths: &[PathBuf]) -> Loaded {
    Loader::new(paths, FileReach::Inside).scenarios(paths)
}

/// Loads scenarios and policies, reading each file once.
#[derive(Debug)]
pub struct Loader {
    disk: Disk,
    read_objects: Option<ReadObjects>,
    /// The Cilium configuration that the command gives.
    given: Option<GivenSettings>,
}

impl Loader {
    /// A loader for the paths that a command names.
    pub fn new(paths: &[PathBuf], reach: FileReach) -> Self {
        let disk = Disk::new(Boundary::around(paths, reach), WalkLimits::default());
        Self { disk, read_objects: None, given: None }
    }

    /// The same, which also reads topologies that are manifests (`topology: {manifests: [...]}`).
    #[must_use]
    pub fn with_objects(self, read_objects: ReadObjects) -> Self {
        Self { read_objects: Some(read_objects), ..self }
    }

    /// Loads every scenario of some of the paths. A folder gives the scenarios of all `*.yaml` and `*.yml` files
    /// below it, and other files are skipped; a file that is named must be a scenario.
    pub fn scenarios(&mut self, paths: &[PathBuf]) -> Loaded {
        let disk = &mut self.disk;
        let mut loaded = Loaded::default();
        let mut seen = BTreeSet::new();
        let mut folders_without = 0;
        for path in paths {
            let files = disk.files_of_named(path, is_scenario_file);
            let mut found_none = files.of_folder;
            for file in &files.paths {
                let opened = match disk.open_of(&files, file) {
                    Ok(opened) => opened,
                    Err(mistake) => {
                        found_none = false;
                        loaded.diagnostics.push(at_file(file, mistake));
                        continue;
                    }
                };
                let is_scenario = match &opened.documents {
                    Ok(documents) => documents.first().is_some_and(text::is_scenario),
                    Err(_) => !opened.is_template,
                };
                if files.of_folder && !is_scenario {
                    continue;
                }
                found_none = false;
                if seen.insert(opened.canonical.clone()) {
                    let mut mistakes = Mistakes::default();
                    let folder = disk::folder_of_named(file);
                    let before = std::mem::take(&mut disk.used);
                    let (read_objects, given) = (self.read_objects, self.given.as_ref());
                    let mut reader = disk::FileReader { disk, read_objects, given };
                    if let Some(scenario) = gather::scenario(&mut reader, &folder, &opened, &mut mistakes) {
                        let file = PathBuf::from(&*scenario.place.file);
                        loaded.used_by.insert(file, disk.used.clone());
                        loaded.scenarios.push(scenario);
                    }
                    disk.used.extend(before);
                    loaded.diagnostics.append(&mut mistakes.0);
                }
            }
            if found_none && files.problems.is_empty() {
                folders_without += 1;
                let mistake = Mistake::new("this folder has no scenario");
                let help = "a scenario is a .yaml or .yml file that begins with `scenario: NAME`".to_owned();
                loaded.diagnostics.push(at_file(path, mistake.help(help)));
            }
            loaded.diagnostics.extend(files.problems);
        }
        unique_names(&loaded.scenarios, &mut loaded.diagnostics);
        loaded.is_empty = loaded.scenarios.is_empty() && loaded.diagnostics.len() == folders_without;
        tidy(&mut loaded.diagnostics);
        loaded.sources.clone_from(&disk.sources);
        loaded.used.clone_from(&disk.used);
        loaded
    }

    /// Loads every policy of the paths, files or folders of `*.yaml`, `*.yml` and `*.json`, without a topology.
    /// Documents of other kinds are counted and skipped, unless they were probably meant to be policies. The files at
    /// the places `besides` are skipped without counting.
    pub fn policies(&mut self, paths: &[PathBuf], besides: &BTreeSet<PathBuf>) -> LoadedPolicies {
        plain::load(&mut self.disk, paths, besides, None)
    }

    /// Loads every manifest of the paths as one set: the policies, and the `others`. An object that names no
    /// namespace is in the one given. An object that occurs twice is a mistake, in whatever files.
    pub fn manifests(&mut self, paths: &[PathBuf], namespace: Option<&NamespaceName>) -> LoadedPolicies {
        plain::load_set(&mut self.disk, paths, namespace)
    }

    /// Whether a path is a scenario, or a folder with one, so that a command can take scenarios and policies alike.
    pub fn has_scenario(&mut self, path: &Path) -> bool {
        let disk = &mut self.disk;
        let files = disk.files_of_named(path, is_scenario_file);
        files.paths.iter().any(|file| {
            let Ok(opened) = disk.open_of(&files, file) else { return false };
            if let Ok(documents) = &opened.documents {
                return documents.first().is_some_and(text::is_scenario);
            }
            // The text may tell which of the two it was meant to be.
            let text = disk.sources.text(&opened.file);
            text.is_some_and(|text| text.lines().any(|line| line.starts_with("scenario:")))
        })
    }
}

fn is_scenario_file(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| matches!(extension, "yaml" | "yml"))
}

fn at_file(path: &Path, mistake: Mistake) -> Diagnostic {
    let diagnostic = Diagnostic::error(Place::start_of(text::display(path)), mistake.message);
    Diagnostic { help: mistake.help, ..diagnostic }
}

fn tidy(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort();
    diagnostics.dedup();
}

fn unique_names(scenarios: &[Scenario], diagnostics: &mut Vec<Diagnostic>) {
    let mut places: BTreeMap<&str, &Place> = BTreeMap::new();
    for scenario in scenarios {
        match places.get(scenario.name.as_str()) {
            None => drop(places.insert(&scenario.name, &scenario.place)),
            Some(first) => {
                let message = format!("another scenario is called `{}`", scenario.name);
                let help = format!("it is at {first}: names are unique in a run");
                diagnostics.push(Diagnostic::error(scenario.place.clone(), message).help(help));
            }
        }
    }
}

#[cfg(test)]
mod tests;
