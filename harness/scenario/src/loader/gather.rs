//! Collects what a scenario file refers to: included topologies, policy files and folders.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::disk::{FileReader, OpenedFile};
use super::manifests;
use super::text::is_scenario;
use crate::diagnostic::{Diagnostic, Severity};
use crate::document::YamlNode;
use crate::file::deserialize::from_node;
use crate::file::{Located, ScenarioFile, SettingWord, TopologyFile};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::policies::is_path;
use crate::lower::settings::VALUES;
use crate::lower::topology::{TopologyPart, ValuesFile};
use crate::lower::{self, ScenarioInput, manifest};
use crate::name::NamespaceName;
use crate::place::{Place, Position};
use crate::policy::Manifest;
use crate::scenario::Scenario;
use crate::schema::check;

/// Loads the scenario of a file, whose references are relative to a folder; none if it has mistakes.
pub(super) fn scenario(
    reader: &mut FileReader<'_>,
    folder: &Path,
    opened: &OpenedFile,
    mistakes: &mut Mistakes,
) -> Option<Scenario> {
    let file = &opened.file;
    reader.disk.used.insert(opened.canonical.clone());
    mistakes.0.extend_from_slice(&opened.remarks);
    let (root, following) = documents_of(opened, mistakes)?;
    let mut inline: Vec<Manifest> =
        following.iter().flat_map(|node| manifest::expand(node.clone(), file)).collect();
    let misfits = check::scenario(root, file);
    let readable = misfits.readable(root);
    mistakes.0.extend(misfits.diagnostics);
    let Some(root) = readable else {
        manifest::check_all(&inline, mistakes);
        return None;
    };
    let content: ScenarioFile = read_shape(&root, file, mistakes)?;
    let namespace = namespace_of(&content.topology, file, mistakes);
    let mut includes = Includes {
        reader,
        parts: Vec::new(),
        above: Vec::new(),
        done: BTreeSet::new(),
        is_whole: true,
        mistakes,
    };
    includes.follow(&content.topology.include, file, folder);
    includes.add(content.topology.clone(), file, folder);
    let Includes { parts, reader, mistakes, is_whole, .. } = includes;
    if !is_whole {
        // Without its topology, every line of a table would be another mistake.
        return None;
    }
    if let Some(namespace) = &namespace {
        for manifest in &mut inline {
            manifests::name_namespace(manifest, namespace);
        }
    }
    let mut entries = BTreeMap::new();
    let named = content.steps.value.iter().flat_map(|step| &step.value.policies);
    for entry in named.filter(|entry| is_path(&entry.value)) {
        if !entries.contains_key(&entry.value)
            && let Some(manifests) =
                manifests::policies(reader.disk, entry, (file, folder), namespace.as_ref(), mistakes)
        {
            entries.insert(entry.value.clone(), manifests);
        }
    }
    let given = reader.given;
    let input =
        ScenarioInput { file, content: &content, parts: &parts, given, inline: &inline, entries: &entries };
    let scenario = lower::lower(&input, mistakes);
    let is_good = mistakes.0.iter().all(|diagnostic| diagnostic.severity != Severity::Error);
    is_good.then_some(scenario)
}

/// The document of a scenario, and the manifests that follow it; none if the file is not a scenario.
fn documents_of<'o>(
    opened: &'o OpenedFile,
    mistakes: &mut Mistakes,
) -> Option<(&'o YamlNode, &'o [YamlNode])> {
    let documents = match &opened.documents {
        Ok(documents) => documents,
        Err(diagnostic) => {
            mistakes.0.push(diagnostic.clone());
            return None;
        }
    };
    let found = documents.split_first().filter(|(document, _)| is_scenario(document));
    if found.is_none() {
        let mistake = Mistake::new("this file is not a scenario");
        let position =
            documents.first().map_or(crate::place::Position { line: 1, column: 1 }, |node| node.position);
        let help = "a scenario begins with `scenario: NAME`".to_owned();
        mistakes.add(&opened.file, position, mistake.help(help));
    }
    found
}

/// The parts of a topology file, and of those it includes, as far as they have no mistakes.
pub(super) fn parts_of_file(
    reader: &mut FileReader<'_>,
    folder: &Path,
    opened: &Rc<OpenedFile>,
    mistakes: &mut Mistakes,
) -> Vec<TopologyPart> {
    let mut includes = Includes {
        reader,
        parts: Vec::new(),
        above: Vec::new(),
        done: BTreeSet::from([opened.canonical.clone()]),
        is_whole: true,
        mistakes,
    };
    let place = Located { value: opened.file.to_string(), position: Position::default() };
    includes.topology(&place, &opened.file, &folder.join(file_name(&opened.canonical)), opened);
    includes.parts
}

/// The name of a file in its folder.
fn file_name(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}

fn read_shape<T: serde::de::DeserializeOwned>(
    root: &YamlNode,
    file: &Arc<str>,
    mistakes: &mut Mistakes,
) -> Option<T> {
    from_node(root)
        .map_err(|error| {
            let position = error.position.unwrap_or(root.position);
            mistakes.add(file, position, Mistake::new(error.message));
        })
        .ok()
}

/// The topology files a scenario includes, directly or through others.
struct Includes<'a, 'd> {
    reader: &'a mut FileReader<'d>,
    parts: Vec<TopologyPart>,
    above: Vec<PathBuf>,
    done: BTreeSet<PathBuf>,
    /// Whether all manifests are understood.
    is_whole: bool,
    mistakes: &'a mut Mistakes,
}

impl Includes<'_, '_> {
    fn follow(&mut self, includes: &[Located<String>], file: &Arc<str>, folder: &Path) {
        for include in includes {
            let path = folder.join(&include.value);
            match self.reader.disk.open(&path) {
                Err(mistake) => self.mistakes.add(file, include.position, mistake),
                Ok(opened) if self.above.contains(&opened.canonical) => {
                    let mistake = Mistake::new(format!("`{}` includes itself", opened.file));
                    self.mistakes.add(
                        file,
                        include.position,
                        mistake.help("take one include out".to_owned()),
                    );
                }
                Ok(opened) if self.done.insert(opened.canonical.clone()) => {
                    self.topology(include, file, &path, &opened);
                }
                Ok(_) => {}
            }
        }
    }

    fn topology(&mut self, include: &Located<String>, file: &Arc<str>, path: &Path, opened: &Rc<OpenedFile>) {
        self.reader.disk.used.insert(opened.canonical.clone());
        self.mistakes.0.extend_from_slice(&opened.remarks);
        let documents = match &opened.documents {
            Ok(documents) => documents,
            Err(diagnostic) => return self.mistakes.0.push(diagnostic.clone()),
        };
        let [root] = &documents[..] else {
            let message =
                format!("`{}` has {} documents, and a topology file has one", opened.file, documents.len());
            return self.mistakes.add(file, include.position, Mistake::new(message));
        };
        let misfits = check::topology(root, &opened.file);
        let readable = misfits.readable(root);
        self.mistakes.0.extend(misfits.diagnostics);
        let Some(root) = readable else { return };
        let Some(content) = read_shape::<TopologyFile>(&root, &opened.file, self.mistakes) else { return };
        self.above.push(opened.canonical.clone());
        self.follow(&content.include, &opened.file, path.parent().unwrap_or(Path::new("")));
        self.above.pop();
        self.add(content, &opened.file, path.parent().unwrap_or(Path::new("")));
    }

    /// Adds a topology with what its manifests say.
    fn add(&mut self, content: TopologyFile, file: &Arc<str>, folder: &Path) {
        let namespace = namespace_of(&content, file, self.mistakes);
        let named = &content.manifests;
        let naming = (file, folder);
        let objects = manifests::topology(self.reader, named, naming, namespace.as_ref(), self.mistakes);
        self.is_whole &= objects.is_some();
        let objects = objects.unwrap_or_default();
        let values = self.values(&content, file, folder);
        self.parts.push(TopologyPart { file: Arc::clone(file), content: Arc::new(content), objects, values });
    }
}

impl Includes<'_, '_> {
    /// Reads the Helm values file that the settings of a topology name.
    fn values(&mut self, content: &TopologyFile, file: &Arc<str>, folder: &Path) -> Option<ValuesFile> {
        let (_, named) = (&content.settings).into_iter().find(|(key, _)| key.value == VALUES)?;
        let SettingWord::Text(name) = &named.value else {
            let mistake = Mistake::new("`values` does not name a file of Helm values");
            self.mistakes.add(file, named.position, mistake.help("write `values: values.yaml`".to_owned()));
            return None;
        };
        let opened = match self.reader.disk.open(&folder.join(name)) {
            Ok(opened) => opened,
            Err(mistake) => {
                self.mistakes.add(file, named.position, mistake);
                return None;
            }
        };
        self.reader.disk.used.insert(opened.canonical.clone());
        values_of(&opened, &named.position.in_file(file), self.mistakes)
    }
}

/// The Helm values of a file that is named at a place.
pub(super) fn values_of(opened: &OpenedFile, named: &Place, mistakes: &mut Mistakes) -> Option<ValuesFile> {
    let documents = match &opened.documents {
        Ok(documents) => documents,
        Err(diagnostic) => {
            mistakes.0.push(diagnostic.clone());
            return None;
        }
    };
    let [root] = &documents[..] else {
        let message =
            format!("`{}` has {} documents, and a file of values has one", opened.file, documents.len());
        mistakes.0.push(Diagnostic::error(named.clone(), message));
        return None;
    };
    let values = read_shape(root, &opened.file, mistakes)?;
    Some(ValuesFile { file: Arc::clone(&opened.file), values })
}

/// The namespace of manifests and policies of a scenario that name none.
fn namespace_of(content: &TopologyFile, file: &Arc<str>, mistakes: &mut Mistakes) -> Option<NamespaceName> {
    let written = content.namespace.as_ref()?;
    mistakes.keep(file, written.position, written.value.parse())
}
