//! Plain policies: those of files and folders, without a topology to hold them against.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::disk::{Disk, Opened};
use super::rendering::{self, Kustomization, Kustomizations, Unrendered};
use super::{LoadedPolicies, at_file, read, tidy};
use crate::diagnostic::Diagnostic;
use crate::document::{Entry, Node, Value};
use crate::lower::manifest::{self, class::Class, class::classify};
use crate::lower::mistake::Mistakes;
use crate::lower::policies::is_policy_file;
use crate::place::Position;
use crate::policy::Manifest;

/// Loads the policies of some paths, but for those of the files at the places `besides`.
pub(super) fn load(disk: &mut Disk, paths: &[PathBuf], besides: &BTreeSet<PathBuf>) -> LoadedPolicies {
    let (loaded, mistakes) = (LoadedPolicies::default(), Mistakes::default());
    let mut policies = Policies { loaded, mistakes, kustomizations: Kustomizations::default() };
    let mut seen = BTreeSet::new();
    for path in paths {
        let files = disk.files_of_named(path, is_policy_file);
        let mut has_none = files.problems.is_empty();
        policies.mistakes.0.extend_from_slice(&files.problems);
        for file in &files.paths {
            match disk.open_of(&files, file) {
                Err(mistake) => {
                    has_none = false;
                    policies.mistakes.0.push(at_file(file, mistake));
                }
                Ok(opened)
                    if besides.contains(&opened.canonical) || !seen.insert(opened.canonical.clone()) =>
                {
                    has_none = false;
                }
                Ok(opened) => has_none &= !policies.add_file(disk, file, &opened),
            }
        }
        if has_none {
            policies.loaded.without.push(path.clone());
        }
    }
    let Policies { mut loaded, mut mistakes, .. } = policies;
    // Folders may be clusters or overlays, which have the same objects.
    for manifests in by_folder(&loaded.manifests).values() {
        manifest::check_twice(manifests.iter().copied(), &mut mistakes);
    }
    loaded.diagnostics = mistakes.0;
    tidy(&mut loaded.diagnostics);
    loaded.sources.clone_from(&disk.sources);
    loaded
}

fn by_folder(manifests: &[Manifest]) -> BTreeMap<Option<&Path>, Vec<&Manifest>> {
    let mut folders: BTreeMap<Option<&Path>, Vec<&Manifest>> = BTreeMap::new();
    for manifest in manifests {
        folders.entry(Path::new(manifest.file.as_ref()).parent()).or_default().push(manifest);
    }
    folders
}

/// The policies found so far.
struct Policies {
    loaded: LoadedPolicies,
    mistakes: Mistakes,
    kustomizations: Kustomizations,
}

impl Policies {
    /// Adds the policies of a file. Answers whether the file is about policies.
    fn add_file(&mut self, disk: &mut Disk, path: &Path, opened: &Opened) -> bool {
        let file = &opened.file;
        let beside = if read::is_stream(path) { None } else { self.kustomizations.beside(disk, path) };
        let beside = beside.as_deref();
        if let Some(beside) = beside
            && path.file_name().is_some_and(|name| beside.patches.contains(&*name.to_string_lossy()))
        {
            self.unrendered(Unrendered::Kustomization, beside.folder.clone());
            return true;
        }
        let documents = match &opened.documents {
            Ok(documents) => documents,
            Err(_) if opened.is_template => {
                self.unrendered(Unrendered::Template, rendering::chart_of(file));
                return true;
            }
            Err(diagnostic) => {
                self.mistakes.0.push(diagnostic.clone());
                return true;
            }
        };
        self.mistakes.0.extend_from_slice(&opened.remarks);
        self.loaded.empty_files += usize::from(documents.is_empty());
        let mut any = false;
        for manifest in documents.iter().flat_map(|document| manifest::expand(document.clone(), file)) {
            any |= self.add(manifest, beside);
        }
        any
    }

    fn unrendered(&mut self, why: Unrendered, name: String) {
        self.loaded.unrendered.entry(why).or_default().insert(name);
    }

    /// Adds a document if it is a policy. Answers whether it is about policies.
    fn add(&mut self, mut manifest: Manifest, beside: Option<&Kustomization>) -> bool {
        let file = manifest.file.clone();
        match classify(&manifest.root) {
            Class::Policy => {}
            Class::Other => {
                self.loaded.ignored += 1;
                return false;
            }
            Class::Unclear(position, mistake) => {
                self.mistakes.add(&file, position, mistake);
                return true;
            }
            Class::NotEvaluated(position, kind) => {
                let message = format!("{kind} objects are not evaluated by verdikt");
                let warning = Diagnostic::warning(position.in_file(&file), "not-evaluated", message);
                self.mistakes.0.push(warning.help("what it allows or denies is in no answer of verdikt"));
                return true;
            }
        }
        if let Some(why) = rendering::unrendered(&manifest.root) {
            let name =
                if why == Unrendered::Template { rendering::chart_of(&file) } else { file.to_string() };
            self.unrendered(why, name);
            return true;
        }
        if let Some(Err(position)) = manifest::namespace(&manifest) {
            self.no_namespace(&mut manifest, position, beside);
        }
        let before = self.mistakes.0.len();
        manifest::check(&manifest, &mut self.mistakes);
        if self.mistakes.0.len() > before {
            self.loaded.mistaken.insert(self.loaded.manifests.len());
        }
        self.loaded.manifests.push(manifest);
        true
    }

    /// Gives a policy the namespace that a kustomization beside it does, or says that it has none.
    fn no_namespace(&mut self, manifest: &mut Manifest, position: Position, beside: Option<&Kustomization>) {
        match beside {
            Some(Kustomization { namespace: Some(namespace), .. }) => {
                put_namespace(manifest, namespace, position);
            }
            Some(beside) => self.unrendered(Unrendered::Kustomization, beside.folder.clone()),
            None => {
                let message = format!("{} has no namespace of its own", manifest.object());
                let warning = Diagnostic::warning(position.in_file(&manifest.file), "no-namespace", message);
                let help = "`kubectl apply` puts it into whatever namespace is current: name it in `metadata.namespace`";
                self.mistakes.0.push(warning.help(help));
            }
        }
    }
}

/// Writes a namespace into the metadata of an object.
fn put_namespace(manifest: &mut Manifest, namespace: &str, position: Position) {
    let Value::Map(entries) = &mut manifest.root.value else { return };
    let metadata = entries.iter_mut().find(|entry| entry.key == "metadata");
    if let Some(Value::Map(metadata)) = metadata.map(|entry| &mut entry.value.value) {
        metadata.retain(|entry| entry.key != "namespace");
        let value = Node { value: Value::Text(namespace.into()), position };
        metadata.push(Entry { key: "namespace".into(), position, value });
    }
}
