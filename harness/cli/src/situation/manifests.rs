//! Situations that are not scenarios: manifests, and topology files with policies.

use std::collections::BTreeSet;
use std::path::PathBuf;

use verdikt_manifests::situation::Situation as Manifests;
use verdikt_scenario::diagnostic::{Severity, SourceTexts};
use verdikt_scenario::loader::Loader;
use verdikt_scenario::plain::Plain;
use verdikt_scenario::version::CiliumVersion;

use super::{LoadedSituation, SituationContent, SituationRequest};
use crate::failure::Failure;
use crate::printer::Printer;

/// Reads manifests, which one topology file may add to.
pub(super) fn read(
    asked: &SituationRequest<'_>,
    loader: &mut Loader,
    title: String,
    printer: &Printer,
) -> Result<LoadedSituation, Failure> {
    let SituationRequest { paths, command, version, .. } = *asked;
    let (topologies, paths): (Vec<PathBuf>, Vec<PathBuf>) =
        paths.iter().cloned().partition(|path| loader.has_topology(path));
    let mut read = verdikt_manifests::read(loader, &paths, None);
    check(&read, command)?;
    add_topology(&mut read, (&topologies, version), loader, printer)?;
    of(read, title, printer)
}

/// Fails where manifests have mistakes, or are not rendered.
fn check(read: &Manifests, command: &str) -> Result<(), Failure> {
    if read.mistakes().next().is_some() {
        return Err(Failure::mistakes(read.diagnostics.clone(), read.sources.clone()));
    }
    match read.not_rendered(command) {
        Some(remark) => Err(Failure::wrong(remark)),
        None => Ok(()),
    }
}

/// Makes a situation of the objects of a cluster.
pub(super) fn of_cluster(
    read: Manifests,
    command: &str,
    title: String,
    printer: &Printer,
) -> Result<LoadedSituation, Failure> {
    check(&read, command)?;
    of(read, title, printer)
}

/// Makes a situation of manifests without mistakes; fails if it has no endpoint.
fn of(read: Manifests, title: String, printer: &Printer) -> Result<LoadedSituation, Failure> {
    printer.diagnostics(&read.diagnostics, &read.sources);
    let skipped: Vec<String> =
        read.objects.skipped.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if !skipped.is_empty() {
        printer.note(&format!("skipped: {}", Plain::line(&skipped.join(", "))));
    }
    if let Some(path) = read.without.first() {
        let shown = Plain::line(&path.display().to_string());
        return Err(Failure::nothing(format!("`{shown}` has no manifest"))
            .hint("manifests are in .yaml, .yml and .json files; `-` is the standard input"));
    }
    if read.topology.pods.is_empty() && read.policies.is_empty() {
        return Err(Failure::nothing(format!("{title} has neither workloads nor policies")));
    }
    if read.topology.pods.is_empty() {
        printer.note(&format!("{title} has no workloads: only the endpoints that policies name are known"));
    }
    let files = files_of(&read.sources);
    let content = SituationContent::Manifests(Box::new(read.topology), read.policies);
    Ok(LoadedSituation { title, files, content })
}

/// Reads a topology file, which takes precedence over the manifests.
fn add_topology(
    read: &mut Manifests,
    (topologies, version): (&[PathBuf], CiliumVersion),
    loader: &mut Loader,
    printer: &Printer,
) -> Result<(), Failure> {
    let path = match topologies {
        [] => return Ok(()),
        [path] => path,
        [first, second, ..] => {
            let shown = [first, second].map(|path| Plain::line(&path.display().to_string()));
            return Err(Failure::wrong(format!("`{}` and `{}` are two topologies", shown[0], shown[1]))
                .hint("let one of them `include` the other, and name that one"));
        }
    };
    let added = loader.topology(path, std::mem::take(&mut read.topology), version);
    if added.diagnostics.iter().any(|found| found.severity == Severity::Error) {
        return Err(Failure::mistakes(added.diagnostics, added.sources));
    }
    printer.diagnostics(&added.diagnostics, &added.sources);
    read.topology = added.topology;
    read.sources = added.sources;
    Ok(())
}

/// The paths that are files, and not the standard input.
fn files_of(sources: &SourceTexts) -> BTreeSet<PathBuf> {
    sources.files().map(PathBuf::from).filter(|file| file.is_file()).collect()
}
