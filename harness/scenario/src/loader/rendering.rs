//! What a tool has yet to make manifests of: templates, variables, and what kustomize adds.
//!
//! verdikt runs no such tool: the files may be a stranger's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::disk::Disk;
use super::text;
use crate::document::{Node, Value};

/// Why some files are not checked as they will be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unrendered {
    /// They are templates, and no YAML.
    Template,
    /// They have variables such as `${NAME}`.
    Variables,
    /// kustomize adds to them.
    Kustomization,
}

/// The charts, files and folders that are not rendered.
pub type AllUnrendered = BTreeMap<Unrendered, BTreeSet<String>>;

impl Unrendered {
    /// A remark on charts, files or folders that are not rendered, with the command for the first of them.
    pub fn remark(self, names: &BTreeSet<String>) -> String {
        let first = names.first().map_or("", String::as_str);
        let more = match names.len() {
            0 | 1 => String::new(),
            more => format!(" and {} more", more - 1),
        };
        let is_chart =
            !Path::new(first).extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        match self {
            Self::Template if is_chart => format!(
                "not checked, because these are templates: `{first}`{more}; check what they become: \
                 `helm template {first} | verdikt check -`"
            ),
            Self::Template => format!(
                "not checked, because these are templates: `{first}`{more}; render them, and pipe the result to \
                 `verdikt check -`"
            ),
            Self::Variables => format!(
                "not checked, because these have variables that are not replaced: `{first}`{more}; check what they \
                 become: `flux envsubst < {first} | verdikt check -`"
            ),
            Self::Kustomization => format!(
                "checked without what kustomize adds, such as namespaces and patches: `{first}`{more}; check what \
                 they become: `kustomize build {first} | verdikt check -`"
            ),
        }
    }
}

/// Whether a text that is no YAML is a template.
pub(super) fn is_template(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with("{{") || line.starts_with("- {{") || line.contains(": {{")
    })
}

/// The chart of a template, or its own name if it is in none.
pub(super) fn chart_of(file: &str) -> String {
    let mut above = Path::new(file).ancestors().skip(1);
    let templates = above.find(|above| above.file_name().is_some_and(|name| name == "templates"));
    templates.and_then(Path::parent).map_or_else(|| file.to_owned(), text::display)
}

/// What is not rendered in a policy: in its names and in what it says, not in its annotations.
pub(super) fn unrendered(policy: &Node) -> Option<Unrendered> {
    let parts = [&["metadata", "name"][..], &["metadata", "namespace"], &["spec"], &["specs"]];
    parts.iter().filter_map(|path| policy.at(path)).find_map(in_value)
}

fn in_value(node: &Node) -> Option<Unrendered> {
    match &node.value {
        Value::Text(text) => in_text(text),
        Value::List(elements) => elements.iter().find_map(in_value),
        Value::Map(entries) => {
            entries.iter().find_map(|entry| in_text(&entry.key).or_else(|| in_value(&entry.value)))
        }
        _ => None,
    }
}

fn in_text(text: &str) -> Option<Unrendered> {
    if text.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}")) {
        return Some(Unrendered::Template);
    }
    let mut variables = text.split("${").skip(1);
    let is_variable =
        |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && rest.contains('}');
    variables.any(is_variable).then_some(Unrendered::Variables)
}

/// What a `kustomization.yaml` says of the files beside it.
#[derive(Debug)]
pub(super) struct Kustomization {
    /// Its folder, as it is shown.
    pub(super) folder: String,
    /// The namespace of everything.
    pub(super) namespace: Option<String>,
    /// The files beside it that are parts of objects.
    pub(super) patches: BTreeSet<String>,
}

/// The kustomizations that were looked for.
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
}

fn kustomization(folder: &Path, root: &Node) -> Kustomization {
    let listed = |key: &str| root.get(key).map_or(&[][..], Node::elements).iter();
    let path = |patch: &Node| patch.get("path").and_then(Node::text).map(str::to_owned);
    let named = listed("patchesStrategicMerge").filter_map(|patch| patch.text().map(str::to_owned));
    let patches = listed("patches").chain(listed("patchesJson6902")).filter_map(path).chain(named);
    Kustomization {
        folder: text::display(folder),
        namespace: root.get("namespace").and_then(Node::text).map(str::to_owned),
        patches: patches.map(|path| path.trim_start_matches("./").to_owned()).collect(),
    }
}
