//! `verdikt check`: mistakes in scenarios, and policies that are legal and almost surely wrong.

use std::path::PathBuf;
use std::process::ExitCode;

use verdikt_engine::cluster::{Cluster, Learned, Options};
use verdikt_engine::lint::{self, lint};
use verdikt_scenario::diagnostic::{Diagnostic, Severity, Sources};
use verdikt_scenario::loader::{Contents, contents, load, load_policies};
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::version::CiliumVersion;

use super::paths_or_default;
use crate::arguments::Check;
use crate::exit;
use crate::failure::Failure;
use crate::printer::Printer;

/// What was found.
#[derive(Default)]
struct Found {
    diagnostics: Vec<Diagnostic>,
    sources: Sources,
    scenarios: usize,
    policies: usize,
}

pub(crate) fn check(arguments: &Check, printer: &Printer) -> Result<ExitCode, Failure> {
    let paths = paths_or_default(&arguments.paths)?;
    let (policies, scenarios): (Vec<PathBuf>, Vec<PathBuf>) =
        paths.into_iter().partition(|path| contents(path) == Contents::Policies);
    let mut found = Found::default();
    if !scenarios.is_empty() {
        check_scenarios(&scenarios, arguments.cilium, &mut found);
    }
    if !policies.is_empty() {
        check_policies(&policies, arguments.cilium, &mut found);
    }
    found.diagnostics.sort();
    found.diagnostics.dedup();
    printer.diagnostics(&found.diagnostics, &found.sources);
    let count =
        |severity| found.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    Printer::tell(&format!(
        "{} and {} checked for Cilium {}: {}, {}\n",
        counted(found.scenarios, "scenario"),
        counted(found.policies, "policy object"),
        arguments.cilium,
        counted(errors, "mistake"),
        counted(warnings, "warning"),
    ));
    Ok(ExitCode::from(match (errors, warnings) {
        (0, 0) => exit::AS_EXPECTED,
        (0, _) if !arguments.deny_warnings => exit::AS_EXPECTED,
        (0, _) => exit::DIFFERS,
        _ => exit::WRONG_INPUT,
    }))
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn check_scenarios(paths: &[PathBuf], version: CiliumVersion, found: &mut Found) {
    let loaded = load(paths);
    found.diagnostics.extend(loaded.diagnostics);
    found.diagnostics.extend(verdikt_runner::mistakes(&loaded.scenarios, version));
    found.sources.extend(&loaded.sources);
    found.scenarios = loaded.scenarios.len();
    let applicable = loaded.scenarios.iter().filter(|scenario| scenario.cilium.contains(version));
    for step in applicable.flat_map(|scenario: &Scenario| &scenario.steps) {
        found.policies += step.policies.len();
        found.diagnostics.extend(warnings(step, version));
    }
}

/// The warnings of a step, without those for objects that its author expects to be refused.
fn warnings(step: &Step, version: CiliumVersion) -> Vec<Diagnostic> {
    let options = verdikt_runner::options(step, version);
    let rejections = step.rejections(version);
    let cluster = Cluster::new(&step.topology, &step.policies, &options, &Learned::default());
    let expected: Vec<_> = rejections
        .iter()
        .filter_map(|rejection| {
            let refused = cluster.judgements()[rejection.policy].refused()?;
            Some(step.policies[rejection.policy].place(refused.position))
        })
        .collect();
    let mut warnings = lint(Some(&step.topology), &step.policies, &options);
    warnings.retain(|warning| {
        warning.code.as_deref() != Some(lint::REFUSED) || !expected.contains(&warning.place)
    });
    warnings
}

fn check_policies(paths: &[PathBuf], version: CiliumVersion, found: &mut Found) {
    let loaded = load_policies(paths);
    let options = Options { version, ..Options::default() };
    let mut warnings = lint(None, &loaded.manifests, &options);
    // A mistake says already that the object is refused, and why.
    warnings.retain(|warning| {
        warning.code.as_deref() != Some(lint::REFUSED)
            || !loaded.diagnostics.iter().any(|mistake| mistake.place == warning.place)
    });
    found.diagnostics.extend(warnings);
    found.diagnostics.extend(loaded.diagnostics);
    found.sources.extend(&loaded.sources);
    found.policies += loaded.manifests.len();
}
