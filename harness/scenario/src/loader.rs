//! Loading: from paths to scenarios, or to plain policies. The only file that reads disk.
//!
//! Whatever the disk holds, the answer is scenarios or diagnostics, never a panic: sizes are checked before reading,
//! folders are followed once, and every mistake of every file is reported.

mod gather;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Sources};
use crate::document::{self, LARGEST_FILE, Node};
use crate::lower::manifest;
use crate::lower::mistake::Mistakes;
use crate::lower::policies::is_policy_file;
use crate::place::Place;
use crate::policy::Manifest;
use crate::scenario::Scenario;

pub use crate::lower::attempt::{parse_attempt, parse_source};
pub use crate::lower::mistake::Mistake;

/// What came of loading scenarios.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The scenarios without mistakes, in the order of the paths and, inside folders, of the file names.
    pub scenarios: Vec<Scenario>,
    /// Every mistake and warning, sorted by place. Nothing may be evaluated if there is a mistake.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether nothing is wrong but that the paths hold no scenario.
    pub is_empty: bool,
    /// Where the files are that the scenarios consist of: their own, and what these refer to.
    pub used: BTreeSet<PathBuf>,
    /// The texts of the files that were read.
    pub sources: Sources,
}

/// What came of loading plain policies.
#[derive(Debug, Default)]
pub struct LoadedPolicies {
    /// The policies, in the order of the paths.
    pub manifests: Vec<Manifest>,
    /// How many documents of other kinds were passed over.
    pub ignored: usize,
    /// How many files without any document were passed over.
    pub empty_files: usize,
    /// The paths that can be read and hold no policy.
    pub without: Vec<PathBuf>,
    /// Every mistake and warning, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts of the files that were read.
    pub sources: Sources,
}

/// Loads every scenario of the paths. A folder gives the scenarios of all `*.yaml` and `*.yml` files below it,
/// passing over files that are none; a file named by itself must be one.
pub fn load(paths: &[PathBuf]) -> Loaded {
    let mut disk = Disk::default();
    let mut loaded = Loaded::default();
    let mut seen = BTreeSet::new();
    let mut folders_without = 0;
    for path in paths {
        let files = files_of(path, is_scenario_file);
        let mut found_none = files.of_folder;
        for file in &files.paths {
            let opened = match disk.open(file) {
                Ok(opened) => opened,
                Err(mistake) => {
                    found_none = false;
                    loaded.diagnostics.push(at_file(file, mistake));
                    continue;
                }
            };
            let is_scenario = match &opened.documents {
                Ok(documents) => documents.first().is_some_and(gather::is_scenario),
                Err(_) => true,
            };
            if files.of_folder && !is_scenario {
                continue;
            }
            found_none = false;
            if seen.insert(opened.canonical.clone()) {
                let mut mistakes = Mistakes::default();
                loaded.scenarios.extend(gather::scenario(&mut disk, file, &opened, &mut mistakes));
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
    loaded.sources = disk.sources;
    loaded.used = disk.used;
    loaded
}

/// Loads every policy of the paths, files or folders of `*.yaml`, `*.yml` and `*.json`, without a topology to hold
/// them against. Documents of other kinds are counted and passed over, but for those that were probably meant to be
/// policies; so are the files at the places `besides`, uncounted.
pub fn load_policies(paths: &[PathBuf], besides: &BTreeSet<PathBuf>) -> LoadedPolicies {
    let mut disk = Disk::default();
    let mut loaded = LoadedPolicies::default();
    let mut mistakes = Mistakes::default();
    let mut seen = BTreeSet::new();
    for path in paths {
        let files = files_of(path, is_policy_file);
        let mut has_none = files.problems.is_empty();
        mistakes.0.extend(files.problems);
        for file in &files.paths {
            let opened = match disk.open(file) {
                Ok(opened) => opened,
                Err(mistake) => {
                    has_none = false;
                    mistakes.0.push(at_file(file, mistake));
                    continue;
                }
            };
            if besides.contains(&opened.canonical) || !seen.insert(opened.canonical.clone()) {
                has_none = false;
                continue;
            }
            mistakes.0.extend_from_slice(&opened.duplicates);
            match &opened.documents {
                Err(diagnostic) => {
                    has_none = false;
                    mistakes.0.push(diagnostic.clone());
                }
                Ok(documents) => {
                    loaded.empty_files += usize::from(documents.is_empty());
                    has_none &= !gather::plain_policies(documents, &opened.file, &mut loaded, &mut mistakes);
                }
            }
        }
        if has_none {
            loaded.without.push(path.clone());
        }
    }
    manifest::check_twice(&loaded.manifests, &mut mistakes);
    loaded.diagnostics = mistakes.0;
    tidy(&mut loaded.diagnostics);
    loaded.sources = disk.sources;
    loaded
}

/// Whether a path is a scenario, or a folder with one, so that a command can take scenarios and policies alike.
pub fn has_scenario(path: &Path) -> bool {
    let mut disk = Disk::default();
    files_of(path, is_scenario_file).paths.iter().any(|file| {
        let Ok(opened) = disk.open(file) else { return false };
        match &opened.documents {
            Ok(documents) => documents.first().is_some_and(gather::is_scenario),
            // Which of both it was meant to be, its text may tell.
            Err(_) => disk
                .sources
                .text(&opened.file)
                .is_some_and(|text| text.lines().any(|line| line.starts_with("scenario:"))),
        }
    })
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

/// A file that was read.
#[derive(Debug)]
struct Opened {
    /// Its name, as diagnostics show it.
    file: Arc<str>,
    /// Where it truly is.
    canonical: PathBuf,
    /// Its documents, or why it has none.
    documents: Result<Vec<Node>, Diagnostic>,
    /// Keys that stand twice, which the documents have once.
    duplicates: Vec<Diagnostic>,
}

/// The files of a path.
#[derive(Debug, Default)]
struct Files {
    paths: Vec<PathBuf>,
    of_folder: bool,
    problems: Vec<Diagnostic>,
}

/// The disk, every file of which is read once.
#[derive(Debug, Default)]
struct Disk {
    opened: BTreeMap<PathBuf, Rc<Opened>>,
    sources: Sources,
    /// The places of the files that scenarios consist of.
    used: BTreeSet<PathBuf>,
}

impl Disk {
    /// Reads a file, or remembers it.
    fn open(&mut self, path: &Path) -> Result<Rc<Opened>, Mistake> {
        let canonical = fs::canonicalize(path).map_err(|error| text::cannot_read(path, &error))?;
        if let Some(opened) = self.opened.get(&canonical) {
            return Ok(Rc::clone(opened));
        }
        let text: Arc<str> = text::decode(path, read(path)?)?.into();
        let file: Arc<str> = display_of(path, &canonical).into();
        self.sources.add(&file, &text);
        let in_place = |error: &document::DocumentError| {
            let diagnostic = Diagnostic::error(error.position.in_file(&file), text::in_words(&error.message));
            Diagnostic { help: text::advice(&error.message, &text, error.position), ..diagnostic }
        };
        let (documents, duplicates) = match document::parse_past_duplicates(&text) {
            Ok((documents, duplicates)) => (Ok(documents), duplicates.iter().map(in_place).collect()),
            Err(error) => (Err(in_place(&error)), Vec::new()),
        };
        let opened = Rc::new(Opened { file, canonical: canonical.clone(), documents, duplicates });
        self.opened.insert(canonical, Rc::clone(&opened));
        Ok(opened)
    }
}

/// The name to show: without `x/../`, unless a link makes that another file.
fn display_of(path: &Path, canonical: &Path) -> String {
    let short = text::without_detours(path);
    match fs::canonicalize(&short) {
        Ok(same) if same == canonical => text::display(&short),
        _ => text::display(path),
    }
}

/// The bytes of a regular file that is not too large.
fn read(path: &Path) -> Result<Vec<u8>, Mistake> {
    let cannot = |error: &io::Error| text::cannot_read(path, error);
    let metadata = fs::metadata(path).map_err(|error| cannot(&error))?;
    if !metadata.is_file() {
        return Err(Mistake::new(format!("`{}` is not a regular file", text::display(path))));
    }
    let largest = u64::try_from(LARGEST_FILE).unwrap_or(u64::MAX);
    if metadata.len() > largest {
        return Err(text::too_large(path, metadata.len()));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| cannot(&error))?;
    // It may grow while it is read.
    file.take(largest + 1).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    if bytes.len() > LARGEST_FILE {
        return Err(text::too_large(path, u64::try_from(bytes.len()).unwrap_or(u64::MAX)));
    }
    Ok(bytes)
}

/// The path itself if it is a file, or the files below it whose names fit.
fn files_of(path: &Path, fits: fn(&str) -> bool) -> Files {
    let mut files = Files::default();
    match fs::metadata(path) {
        Err(error) => files.problems.push(at_file(path, text::cannot_read(path, &error))),
        Ok(metadata) if metadata.is_dir() => {
            files.of_folder = true;
            walk(path, fits, &mut Vec::new(), &mut BTreeSet::new(), &mut files);
            files.paths.sort();
        }
        Ok(_) => files.paths.push(path.to_owned()),
    }
    files
}

fn walk(
    folder: &Path,
    fits: fn(&str) -> bool,
    above: &mut Vec<PathBuf>,
    visited: &mut BTreeSet<PathBuf>,
    files: &mut Files,
) {
    let canonical = match fs::canonicalize(folder) {
        Ok(canonical) => canonical,
        Err(error) => return files.problems.push(at_file(folder, text::cannot_read(folder, &error))),
    };
    if above.contains(&canonical) {
        let mistake = Mistake::new(format!("folder `{}` contains itself", text::display(folder)));
        return files
            .problems
            .push(at_file(folder, mistake.help("a symbolic link leads back up".to_owned())));
    }
    if !visited.insert(canonical.clone()) {
        return;
    }
    let entries = match fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => return files.problems.push(at_file(folder, text::cannot_read(folder, &error))),
    };
    above.push(canonical);
    let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => walk(&path, fits, above, visited, files),
            _ if !fits(&name) => {}
            Ok(_) => files.paths.push(path),
            Err(error) => files.problems.push(at_file(&path, text::cannot_read(&path, &error))),
        }
    }
    above.pop();
}

#[cfg(test)]
mod tests;
