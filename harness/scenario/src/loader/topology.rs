//! Topology files, as commands that need no table take them.

use std::path::Path;
use std::sync::Arc;

use super::disk::FileReader;
use super::gather;
use super::text::is_scenario;
use super::{LoadedTopology, Loader, at_file, disk, tidy};
use crate::diagnostic::Severity;
use crate::document::YamlNode;
use crate::lower::mistake::Mistakes;
use crate::lower::settings::SettingVersions;
use crate::lower::{self, topology::TopologyPart};
use crate::topology::Topology;
use crate::version::CiliumVersion;

/// The first words of a topology that no Kubernetes object and no other file starts with.
const WORDS: &[&str] = &["include", "manifests", "namespaces", "pods", "world", "nodes", "cilium"];

/// Whether a document is a topology.
fn is_topology(document: &YamlNode) -> bool {
    let has = |key: &str| document.entries().iter().any(|entry| entry.key == key);
    let is_other = has("apiVersion") || has("kind") || is_scenario(document);
    !is_other && WORDS.iter().any(|word| has(word))
}

impl Loader {
    /// Whether a file contains a topology and nothing else.
    pub fn has_topology(&mut self, path: &Path) -> bool {
        let files = self.disk.files_of_named(path, super::is_scenario_file);
        let [file] = files.paths.as_slice() else { return false };
        let opened = self.disk.open_of(&files, file);
        let documents = opened.as_ref().ok().and_then(|opened| opened.documents.as_ref().ok());
        !files.of_folder && documents.is_some_and(|all| matches!(&all[..], [only] if is_topology(only)))
    }

    /// Loads a topology file for a version of Cilium. It adds to the topology of the objects and wins key by key.
    pub fn topology(&mut self, path: &Path, objects: Topology, version: CiliumVersion) -> LoadedTopology {
        let mut mistakes = Mistakes::default();
        let mut parts = Vec::new();
        let files = self.disk.files_of_named(path, super::is_scenario_file);
        match self.disk.open_of(&files, path) {
            Err(mistake) => mistakes.0.push(at_file(path, mistake)),
            Ok(opened) => {
                let file: Arc<str> = Arc::clone(&opened.file);
                let content = TopologyPart { file, content: Arc::default(), objects, values: None };
                let folder = disk::folder_of_named(path);
                let (read_objects, given) = (self.read_objects, self.given.as_ref());
                let mut reader = FileReader { disk: &mut self.disk, read_objects, given };
                parts.push(content);
                parts.extend(gather::parts_of_file(&mut reader, &folder, &opened, &mut mistakes));
            }
        }
        let mut draft = lower::topology::lower(&parts, &mut mistakes);
        let (given, versions) = (self.given.as_ref(), SettingVersions::OfCommand(version));
        lower::settings::lower(&parts, given, versions, &mut draft, &mut mistakes);
        if mistakes.0.iter().all(|found| found.severity != Severity::Error) {
            lower::topology::services::check(&parts, &[&draft.topology], &draft.broken, &mut mistakes);
        }
        let mut diagnostics = mistakes.0;
        tidy(&mut diagnostics);
        LoadedTopology { topology: draft.topology, diagnostics, sources: self.disk.sources.clone() }
    }
}
