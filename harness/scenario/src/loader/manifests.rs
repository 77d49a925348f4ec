//! Files and folders that scenarios refer to: the policies of a step, and manifests for a topology.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, FileReader};
use super::plain;
use super::text;
use super::walk::WalkedFiles;
use crate::diagnostic::{Diagnostic, Severity};
use crate::file::Located;
use crate::lower::manifest;
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::policies::is_policy_file;
use crate::name::NamespaceName;
use crate::policy::Manifest;
use crate::rendering::AllUnrendered;
use crate::topology::Topology;

/// The scenario or topology file that refers to others, and the folder to which its references are relative.
type Naming<'a> = (&'a Arc<str>, &'a Path);

/// The policies of an entry of `policies` that is a file or a folder; none if one of its files cannot be read. Other
/// objects are skipped.
pub(super) fn policies(
    disk: &mut Disk,
    entry: &Located<String>,
    naming: Naming<'_>,
    namespace: Option<&NamespaceName>,
    mistakes: &mut Mistakes,
) -> Option<Vec<Manifest>> {
    let file = naming.0;
    let (path, files) = files_of(disk, entry, naming, mistakes)?;
    let loaded = plain::of_step(disk, &files.paths, &entry.position.in_file(file), namespace);
    let is_whole = !loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    // A missing namespace is reported for the step.
    let said = |diagnostic: &Diagnostic| diagnostic.code.as_deref() != Some("no-namespace");
    mistakes.0.extend(loaded.diagnostics.into_iter().filter(said));
    if !is_rendered(&loaded.unrendered, entry, file, mistakes) || !is_whole && loaded.manifests.is_empty() {
        return None;
    }
    if loaded.manifests.is_empty() {
        let mistake = Mistake::new(format!("`{}` has no policy", text::display(&path)));
        let help =
            files.of_folder.then(|| "policies are in files that end in .yaml, .yml or .json".to_owned());
        mistakes.add(file, entry.position, mistake.help(help));
        return None;
    }
    Some(loaded.manifests)
}

/// The topology of the entries of `manifests`; none if they are not fully understood, with the mistakes recorded.
pub(super) fn topology(
    reader: &mut FileReader<'_>,
    entries: &[Located<String>],
    naming: Naming<'_>,
    namespace: Option<&NamespaceName>,
    mistakes: &mut Mistakes,
) -> Option<Topology> {
    let file = naming.0;
    let Some(first) = entries.first() else { return Some(Topology::default()) };
    let Some(read_objects) = reader.read_objects else {
        let mistake = Mistake::new("manifests are not read as a topology here");
        mistakes.add(file, first.position, mistake);
        return None;
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        paths.extend(files_of(reader.disk, entry, naming, mistakes)?.1.paths);
    }
    let loaded = plain::load_set(reader.disk, &paths, namespace);
    // Warnings about policies belong to the steps that apply them.
    let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
    let before = mistakes.0.len();
    mistakes.0.extend(loaded.diagnostics.into_iter().filter(is_error));
    reader.disk.use_files(&paths);
    if !is_rendered(&loaded.unrendered, first, file, mistakes) {
        return None;
    }
    let objects = read_objects(&loaded.others, namespace);
    if !is_rendered(&objects.unrendered, first, file, mistakes) {
        return None;
    }
    mistakes.0.extend(objects.diagnostics);
    if mistakes.0[before..].iter().any(is_error) {
        return None;
    }
    let mut topology = objects.topology;
    for policy in &loaded.manifests {
        if let Some(Ok((namespace, _))) = manifest::namespace(policy) {
            topology.add_namespace(namespace);
        }
    }
    if topology.namespaces.is_empty() && topology.secrets.is_empty() {
        let mistake =
            Mistake::new(format!("`{}` has no workload, service, namespace or certificate", first.value));
        let help = "manifests are in files that end in .yaml, .yml or .json".to_owned();
        mistakes.add(file, first.position, mistake.help(help));
        return None;
    }
    Some(topology)
}

/// Puts a policy without a namespace into that of its scenario.
pub(super) fn name_namespace(manifest: &mut Manifest, namespace: &NamespaceName) {
    if let Some(Err(position)) = manifest::namespace(manifest) {
        plain::put_namespace(manifest, namespace.as_str(), position);
    }
}

/// The files of an entry; none if they cannot be found, with the mistake recorded.
fn files_of(
    disk: &Disk,
    entry: &Located<String>,
    (file, folder): Naming<'_>,
    mistakes: &mut Mistakes,
) -> Option<(PathBuf, WalkedFiles)> {
    let path = folder.join(&entry.value);
    let files = disk.files_of(&path, is_policy_file);
    if !files.problems.is_empty() {
        for problem in files.problems {
            // Without all of its files, a step would not be what it claims.
            let place = entry.position.in_file(file);
            mistakes.0.push(Diagnostic { place, severity: Severity::Error, code: None, ..problem });
        }
        return None;
    }
    let wants_folder = entry.value.ends_with('/');
    if files.of_folder != wants_folder {
        let wrong = if wants_folder {
            "is a file; leave the final `/` out"
        } else {
            "is a folder; write a final `/`"
        };
        let mistake = Mistake::new(format!("`{}` {wrong}", text::display(&path)));
        mistakes.add(file, entry.position, mistake);
        return None;
    }
    Some((path, files))
}

/// Whether everything is rendered; if not, the mistake is recorded.
fn is_rendered(
    unrendered: &AllUnrendered,
    entry: &Located<String>,
    file: &Arc<str>,
    mistakes: &mut Mistakes,
) -> bool {
    let Some((why, names)) = unrendered.first_key_value() else { return true };
    let message = format!("cannot read `{}` as it will be applied: {}", entry.value, why.reason(names));
    let help = match why.renderer(names) {
        Some(renderer) => format!("name what they become: `{renderer} > rendered.yaml`"),
        None => "name what they become when they are rendered".to_owned(),
    };
    mistakes.add(file, entry.position, Mistake::new(message).help(help));
    false
}
