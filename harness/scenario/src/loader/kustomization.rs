//! What kustomize adds to the files of a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::disk::Disk;
use super::text;
use crate::document::YamlNode;
use crate::lower::policies::is_policy_file;

/// What a `kustomization.yaml` does with the files beside it.
#[derive(Debug)]
pub(super) struct Kustomization {
    /// Its folder, as it is shown.
    pub(super) folder: String,
    /// The namespace that it sets.
    pub(super) namespace: Option<String>,
    /// The files beside it that are patches, and not whole objects.
    pub(super) patches: BTreeSet<String>,
    /// Whether it does more than put the files beside it into a namespace.
    changes: bool,
    /// The folders that it includes.
    takes: Vec<String>,
}

/// The keys that change objects in a way that matters to a topology or a policy.
const CHANGES: &[&str] = &[
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "namePrefix",
    "nameSuffix",
    "commonLabels",
    "labels",
    "components",
    "replacements",
    "transformers",
    "helmCharts",
    "bases",
];

/// The kustomizations found so far.
#[derive(Debug, Default)]
pub(super) struct Kustomizations(BTreeMap<PathBuf, Option<Rc<Kustomization>>>);

impl Kustomizations {
    /// The kustomization in the folder of a file.
    pub(super) fn beside(&mut self, disk: &mut Disk, file: &Path) -> Option<Rc<Kustomization>> {
        let folder = file.parent()?;
        if let Some(known) = self.0.get(folder) {
            return known.clone();
        }
        let names = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
        let paths = names.map(|name| folder.join(name));
        let found = paths.iter().filter(|path| path.is_file()).find_map(|path| {
            let opened = disk.open(path).ok()?;
            let root = opened.documents.as_ref().ok()?.first()?;
            Some(Rc::new(kustomization(folder, root)))
        });
        self.0.insert(folder.to_owned(), found.clone());
        found
    }

    /// The folders to build: those with a kustomization that changes something and that no other includes.
    pub(super) fn to_build(&self) -> BTreeSet<String> {
        let all = || self.0.values().flatten();
        let taken: BTreeSet<&str> = all().flat_map(|one| &one.takes).map(String::as_str).collect();
        let changed: BTreeSet<&str> =
            all().filter(|one| one.changes).map(|one| one.folder.as_str()).collect();
        let roots = changed.iter().filter(|folder| !taken.contains(**folder));
        let roots: BTreeSet<String> = roots.map(ToString::to_string).collect();
        // If some include each other, none of them is the outermost.
        if roots.is_empty() { changed.into_iter().map(str::to_owned).collect() } else { roots }
    }
}

fn kustomization(folder: &Path, root: &YamlNode) -> Kustomization {
    let listed = |key: &str| root.get(key).map_or(&[][..], YamlNode::elements).iter();
    let path = |patch: &YamlNode| patch.get("path").and_then(YamlNode::text).map(str::to_owned);
    let named = listed("patchesStrategicMerge").filter_map(|patch| patch.text().map(str::to_owned));
    let patches = listed("patches").chain(listed("patchesJson6902")).filter_map(path).chain(named);
    let resources =
        ["resources", "bases", "components"].into_iter().flat_map(listed).filter_map(YamlNode::text);
    // An entry that is not a file beside it is a folder, or remote.
    let elsewhere: Vec<&str> = resources
        .filter(|name| name.starts_with("..") || name.contains("://") || !is_policy_file(name))
        .collect();
    let shown = |name: &&str| text::display(&text::without_detours(&folder.join(name)));
    Kustomization {
        folder: text::display(folder),
        namespace: root.get("namespace").and_then(YamlNode::text).map(str::to_owned),
        patches: patches.map(|path| path.trim_start_matches("./").to_owned()).collect(),
        changes: !elsewhere.is_empty() || CHANGES.iter().any(|key| root.get(key).is_some()),
        takes: elsewhere.iter().map(shown).collect(),
    }
}
