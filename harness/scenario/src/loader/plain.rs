//! Plain policies: those of files and folders, without a topology.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::disk::{Disk, OpenedFile};
use super::kustomization::{Kustomization, Kustomizations};
use super::text::is_scenario;
use super::{LoadedPolicies, at_file, read, text, tidy};
use crate::diagnostic::Diagnostic;
use crate::document::{Entry, Value, YamlNode};
use crate::lower::manifest::{self, class::DocumentClass, class::classify};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::policies::is_policy_file;
use crate::name::NamespaceName;
use crate::place::{Place, Position};
use crate::policy::Manifest;
use crate::rendering::{self, Unrendered};

/// Loads the policies of some paths, except those of the files at the places `besides`.
pub(super) fn load(
    disk: &mut Disk,
    paths: &[PathBuf],
    besides: &BTreeSet<PathBuf>,
    namespace: Option<&NamespaceName>,
) -> LoadedPolicies {
    let Policies { mut loaded, mut mistakes, .. } =
        gather(disk, paths, besides, namespace, OfScenarios::Taken);
    // The folders may be clusters or overlays, which contain the same objects.
    for manifests in by_folder(&loaded.manifests).values() {
        manifest::check_twice_in_folder(manifests.iter().copied(), &mut mistakes);
    }
    loaded.diagnostics = mistakes.0;
    tidy(&mut loaded.diagnostics);
    loaded.sources.clone_from(&disk.sources);
    loaded
}

/// Loads the manifests of some paths as those of one cluster.
pub(super) fn load_set(
    disk: &mut Disk,
    paths: &[PathBuf],
    namespace: Option<&NamespaceName>,
) -> LoadedPolicies {
    let policies = gather(disk, paths, &BTreeSet::new(), namespace, OfScenarios::Left);
    let Policies { mut loaded, mut mistakes, kustomizations, .. } = policies;
    let to_build = kustomizations.to_build();
    if !to_build.is_empty() {
        loaded.unrendered.insert(Unrendered::Kustomization, to_build);
    }
    manifest::check_twice(&loaded.manifests, &mut mistakes);
    for manifest in &mut loaded.manifests {
        if let Some(Err(position)) = manifest::namespace(manifest) {
            put_namespace(manifest, DEFAULT_NAMESPACE, position);
        }
    }
    loaded.diagnostics = mistakes.0;
    tidy(&mut loaded.diagnostics);
    loaded.sources.clone_from(&disk.sources);
    loaded
}

/// The policies of the files of one entry of a step.
pub(super) fn of_step(
    disk: &mut Disk,
    files: &[PathBuf],
    named_at: &Place,
    namespace: Option<&NamespaceName>,
) -> LoadedPolicies {
    let kustomizations = Kustomizations::default();
    let (loaded, mistakes) = (LoadedPolicies::default(), Mistakes::default());
    let of_scenarios = OfScenarios::Left;
    let mut policies = Policies { loaded, mistakes, foreign: 0, kustomizations, namespace, of_scenarios };
    for file in files {
        match disk.open(file) {
            Err(mistake) => {
                let diagnostic = Diagnostic::error(named_at.clone(), mistake.message);
                policies.mistakes.0.push(Diagnostic { help: mistake.help, ..diagnostic });
            }
            Ok(opened) => {
                disk.used.insert(opened.canonical.clone());
                policies.add_file(disk, file, &opened);
            }
        }
    }
    LoadedPolicies { diagnostics: policies.mistakes.0, ..policies.loaded }
}

/// The default namespace of `kubectl apply`.
const DEFAULT_NAMESPACE: &str = "default";

fn gather<'a>(
    disk: &mut Disk,
    paths: &[PathBuf],
    besides: &BTreeSet<PathBuf>,
    namespace: Option<&'a NamespaceName>,
    of_scenarios: OfScenarios,
) -> Policies<'a> {
    let (loaded, mistakes) = (LoadedPolicies::default(), Mistakes::default());
    let mut policies = Policies {
        loaded,
        mistakes,
        foreign: 0,
        kustomizations: Kustomizations::default(),
        namespace,
        of_scenarios,
    };
    let mut seen = BTreeSet::new();
    for path in paths {
        let files = disk.files_of_named(path, is_policy_file);
        let foreign = policies.foreign;
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
                // If a file is named itself, its mistakes matter.
                Ok(opened) if files.of_folder && is_unreadable(disk, &opened) => {
                    policies.unrendered(Unrendered::Unreadable, opened.file.to_string());
                }
                Ok(opened) => has_none &= !policies.add_file(disk, file, &opened),
            }
        }
        // A file of other objects is valid.
        let is_foreign = !files.of_folder && policies.foreign > foreign;
        if has_none && !is_foreign {
            let to_build = policies.kustomizations.to_build();
            let of_path = Path::new(&text::display(path)).to_owned();
            let of_path: Vec<String> =
                to_build.into_iter().filter(|folder| Path::new(folder).starts_with(&of_path)).collect();
            if of_path.is_empty() {
                policies.loaded.without.push(path.clone());
            }
            for folder in of_path {
                policies.unrendered(Unrendered::Kustomization, folder);
            }
        }
    }
    policies
}

/// Whether a file is neither YAML nor a template nor about policies.
fn is_unreadable(disk: &Disk, opened: &OpenedFile) -> bool {
    let text = disk.sources.text(&opened.file);
    opened.documents.is_err() && !opened.is_template && !text.is_some_and(rendering::names_policies)
}

fn by_folder(manifests: &[Manifest]) -> BTreeMap<Option<&Path>, Vec<&Manifest>> {
    let mut folders: BTreeMap<Option<&Path>, Vec<&Manifest>> = BTreeMap::new();
    for manifest in manifests {
        folders.entry(Path::new(manifest.file.as_ref()).parent()).or_default().push(manifest);
    }
    folders
}

/// What to do with policies in scenario files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OfScenarios {
    /// Treat them like other policies.
    Taken,
    /// Leave them to their scenarios.
    Left,
}

/// The policies found so far.
struct Policies<'a> {
    loaded: LoadedPolicies,
    mistakes: Mistakes,
    /// How many objects of other kinds there were.
    foreign: usize,
    kustomizations: Kustomizations,
    /// The namespace of objects that name none, if it is known.
    namespace: Option<&'a NamespaceName>,
    /// What to do with scenario files.
    of_scenarios: OfScenarios,
}

impl Policies<'_> {
    /// Adds the policies of a file. Returns whether the file is about policies.
    fn add_file(&mut self, disk: &mut Disk, path: &Path, opened: &OpenedFile) -> bool {
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
        if self.of_scenarios == OfScenarios::Left && documents.first().is_some_and(is_scenario) {
            return false;
        }
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

    /// Adds a document if it is a policy. Returns whether it is about policies.
    fn add(&mut self, mut manifest: Manifest, beside: Option<&Kustomization>) -> bool {
        let file = manifest.file.clone();
        match classify(&manifest.root) {
            DocumentClass::Policy => {}
            DocumentClass::Other => {
                if let (Some(namespace), None) =
                    (beside.and_then(|beside| beside.namespace.as_ref()), manifest.object().namespace)
                {
                    let position = manifest.root.position;
                    put_namespace(&mut manifest, namespace, position);
                }
                self.loaded.ignored += 1;
                let has = |key| manifest.root.get(key).is_some();
                self.foreign += usize::from(has("apiVersion") && has("kind"));
                self.loaded.others.push(manifest);
                return false;
            }
            DocumentClass::Unclear(position, mistake) => {
                self.mistakes.add(&file, position, mistake);
                return true;
            }
            DocumentClass::NotEnforced(position, kind) => {
                let Mistake { message, help } = manifest::never_enforced(&kind);
                let warning = Diagnostic::warning(position.in_file(&file), "not-enforced", message);
                self.mistakes.0.push(Diagnostic { help, ..warning });
                return true;
            }
        }
        if let Some(why) = rendering::unrendered(&manifest.root) {
            self.unrendered(why, why.name_of(&file));
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

    /// Gives a policy the namespace of a kustomization beside it, or records that it has none.
    fn no_namespace(&mut self, manifest: &mut Manifest, position: Position, beside: Option<&Kustomization>) {
        if let Some(namespace) = self.namespace {
            return put_namespace(manifest, namespace.as_str(), position);
        }
        match beside {
            Some(Kustomization { namespace: Some(namespace), .. }) => {
                put_namespace(manifest, namespace, position);
            }
            Some(beside) => self.unrendered(Unrendered::Kustomization, beside.folder.clone()),
            None => {
                let message = format!("{} has no namespace of its own", manifest.object());
                let warning = Diagnostic::hint(position.in_file(&manifest.file), "no-namespace", message);
                let help = "`kubectl apply` puts it into whatever namespace is current: name it in `metadata.namespace`";
                self.mistakes.0.push(warning.help(help));
            }
        }
    }
}

/// Writes a namespace into the metadata of an object.
pub(super) fn put_namespace(manifest: &mut Manifest, namespace: &str, position: Position) {
    let Value::Map(entries) = &mut manifest.root.value else { return };
    let metadata = entries.iter_mut().find(|entry| entry.key == "metadata");
    if let Some(Value::Map(metadata)) = metadata.map(|entry| &mut entry.value.value) {
        metadata.retain(|entry| entry.key != "namespace");
        let value = YamlNode { value: Value::Text(namespace.into()), position };
        metadata.push(Entry { key: "namespace".into(), position, value });
    }
}
