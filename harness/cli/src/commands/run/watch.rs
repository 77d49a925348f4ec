//! `verdikt run --watch`: runs scenarios again whenever a file that they use is saved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::once;
use crate::arguments::RunArguments;
use crate::exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::runtime::runtime;
use crate::signals;
use crate::watch::Watch;

/// Runs everything, and then the scenarios that use a saved file, until a signal ends the process.
pub(super) fn watch(
    arguments: &RunArguments,
    paths: &[PathBuf],
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let mut due = paths.to_vec();
    let mut watch = None;
    loop {
        if let Err(failure) = once(arguments, paths, &due, printer) {
            printer.failure(&failure);
        }
        if signals::hold().is_asked() {
            return Ok(ExitCode::from(exit::MACHINE_FAILED));
        }
        let mut loader = verdikt_manifests::situation::loader(paths, arguments.files.reach());
        let files = loader.scenarios(paths).used_by;
        // Not before the first run: a process with a second thread cannot enter a user namespace.
        let watch: &mut Watch = match &mut watch {
            Some(watch) => watch,
            none => none.insert(Watch::start()?),
        };
        let every = files.values().flatten().map(PathBuf::as_path);
        let named = paths.iter().filter(|path| path.is_file()).map(PathBuf::as_path);
        watch.files(every.chain(named))?;
        Printer::tell("waiting for a file to be saved; Ctrl-C ends\n");
        let changed = runtime()?.block_on(watch.changed());
        due = affected(&files, &changed);
        if due.is_empty() {
            // A new file, or one that was not read because of a mistake.
            due = paths.to_vec();
        }
    }
}

/// The scenarios that use a file of one of these names.
fn affected(files: &BTreeMap<PathBuf, BTreeSet<PathBuf>>, changed: &BTreeSet<String>) -> Vec<PathBuf> {
    let is_changed =
        |file: &Path| file.file_name().is_some_and(|name| changed.contains(name.to_string_lossy().as_ref()));
    let affected = files.iter().filter(|(_, used)| used.iter().any(|file| is_changed(file)));
    affected.map(|(scenario, _)| scenario.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_consists_of_a_changed_file_is_due() {
        let used = |files: &[&str]| files.iter().map(PathBuf::from).collect::<BTreeSet<_>>();
        let files = BTreeMap::from([
            (PathBuf::from("a.yaml"), used(&["/x/a.yaml", "/x/policies/shared.yaml"])),
            (PathBuf::from("b.yaml"), used(&["/x/b.yaml", "/x/policies/shared.yaml"])),
        ]);
        let due = |name: &str| affected(&files, &BTreeSet::from([name.to_owned()]));
        assert_eq!(due("a.yaml"), [PathBuf::from("a.yaml")]);
        assert_eq!(due("shared.yaml").len(), 2);
        assert_eq!(due("new.yaml"), [] as [PathBuf; 0]);
    }
}
