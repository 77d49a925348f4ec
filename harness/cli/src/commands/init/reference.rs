//! How a generated scenario refers to its manifests.

use std::fs;
use std::path::{Component, Path, PathBuf};

use verdikt_manifests::init::ManifestReference;
use verdikt_scenario::plain::Plain;
use verdikt_scenario::policy::Manifest;

use super::any_stream;
use crate::arguments::Init;
use crate::failure::Failure;

/// The name of a scenario whose input has no name.
const NAMELESS: &str = "manifests";

/// The paths that the command names.
pub(super) struct CommandPaths<'a> {
    pub(super) paths: &'a [PathBuf],
    pub(super) policies: &'a [PathBuf],
    /// The file of Helm values.
    pub(super) settings: Option<&'a Path>,
    /// Whether the objects come from a cluster.
    pub(super) is_cluster: bool,
}

impl CommandPaths<'_> {
    /// How a scenario in a folder refers to the manifests.
    pub(super) fn reference(
        &self,
        folder: &Path,
        policies: &[Manifest],
    ) -> Result<ManifestReference, Failure> {
        if self.is_cluster || any_stream(self.paths) || any_stream(self.policies) {
            return Ok(ManifestReference::Inline);
        }
        let folder = canonical(folder)?;
        let mut files: Vec<PathBuf> =
            policies.iter().map(|policy| PathBuf::from(policy.file.as_ref())).collect();
        files.sort();
        files.dedup();
        let files: Vec<PathBuf> = files.iter().filter_map(|file| fs::canonicalize(file).ok()).collect();
        let named = if self.policies.is_empty() { self.paths } else { self.policies };
        let mut with_policies = Vec::new();
        for path in named {
            let target = canonical(path)?;
            if files.iter().any(|file| file.starts_with(&target)) {
                with_policies.push(relative(&folder, &target));
            }
        }
        let manifests: Result<Vec<String>, Failure> =
            self.paths.iter().map(|path| Ok(relative(&folder, &canonical(path)?))).collect();
        Ok(ManifestReference::Paths { manifests: manifests?, policies: with_policies })
    }

    /// How a scenario in a folder names the file of Helm values.
    pub(super) fn values(&self, folder: &Path) -> Result<Option<String>, Failure> {
        let Some(file) = self.settings else { return Ok(None) };
        if is_stream(file) {
            let shown = Plain::line(&file.display().to_string());
            return Err(Failure::wrong(format!(
                "the scenario has to name the settings, and `{shown}` is not a file"
            ))
            .hint("keep the values in a file: `helm get values cilium > values.yaml`"));
        }
        Ok(Some(relative(&canonical(folder)?, &canonical(file)?)))
    }

    /// Whether a scenario in a folder may name all of them: they are in its repository.
    pub(super) fn is_reachable_from(&self, folder: &Path) -> bool {
        let repository = |path: &Path| {
            let path = fs::canonicalize(path).ok()?;
            path.ancestors().find(|above| above.join(".git").symlink_metadata().is_ok()).map(Path::to_owned)
        };
        let of_folder = repository(folder);
        let paths = self.paths.iter().chain(self.policies).map(PathBuf::as_path);
        paths
            .chain(self.settings)
            .all(|path| is_stream(path) || of_folder.is_some() && repository(path) == of_folder)
    }
}

/// Whether a path is a pipe.
pub(super) fn is_stream(path: &Path) -> bool {
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file() || metadata.is_dir());
    path == Path::new("-")
        || path.starts_with("/dev")
        || path.starts_with("/proc")
        || (!is_file && path.exists())
}

fn canonical(path: &Path) -> Result<PathBuf, Failure> {
    fs::canonicalize(path).map_err(|error| Failure::file("find", path, &error))
}

/// The relative path from a folder to a file or folder; both without links.
fn relative(from: &Path, to: &Path) -> String {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let mut path = PathBuf::new();
    path.extend(from.components().skip(common).map(|_| Component::ParentDir));
    path.extend(to.components().skip(common));
    let text = path.to_string_lossy().into_owned();
    match (to.is_dir(), text.is_empty()) {
        (true, true) => "./".to_owned(),
        (true, false) => format!("{text}/"),
        (false, _) => text,
    }
}

/// The name of a scenario, from the first path that has one, or from the context.
pub(super) fn name_of(paths: &[PathBuf], context: Option<&str>) -> String {
    let named = paths.iter().filter(|path| !is_stream(path)).find_map(|path| {
        let path = fs::canonicalize(path).ok()?;
        let stem = if path.is_dir() { path.file_name() } else { path.file_stem() }?;
        Some(stem.to_string_lossy().into_owned())
    });
    let name: String = named
        .or_else(|| context.map(str::to_owned))
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { NAMELESS.to_owned() } else { name.to_owned() }
}

/// The command line, as a user would type it.
pub(super) fn command(arguments: &Init) -> String {
    let mut words = vec!["verdikt init".to_owned()];
    words.extend(arguments.paths.iter().map(|path| path.display().to_string()));
    if !arguments.policies.is_empty() {
        words.push("--policies".to_owned());
        words.extend(arguments.policies.iter().map(|path| path.display().to_string()));
    }
    words.extend(arguments.settings.file().map(|file| format!("--settings {}", file.display())));
    words.extend(arguments.context.iter().map(|context| format!("--context {context}")));
    words.extend(arguments.namespace.iter().map(|namespace| format!("--namespace {namespace}")));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_from_a_folder() {
        let check = |from: &str, to: &str, expected: &str| {
            assert_eq!(relative(Path::new(from), Path::new(to)), expected, "{from} to {to}");
        };
        check("/nowhere/scenarios", "/nowhere/deploy/a.yaml", "../deploy/a.yaml");
        check("/nowhere/scenarios", "/nowhere/scenarios/a.yaml", "a.yaml");
        check("/nowhere", "/nowhere/deploy/a.yaml", "deploy/a.yaml");
    }
}
