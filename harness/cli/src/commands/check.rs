//! `verdikt check`: mistakes in scenarios, and policies that are legal and almost surely wrong.

mod unsaid;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use verdikt_engine::lint::{Findings, lint, lint_under};
use verdikt_engine::model::ModelOptions;
use verdikt_report::diagnostics::{CheckReport, Checked};
use verdikt_report::json;
use verdikt_runner::clock::Clock;
use verdikt_runner::warnings::{StepFindings, findings};
use verdikt_scenario::diagnostic::{Diagnostic, Severity, SourceTexts, take_allowed};
use verdikt_scenario::loader::{AllUnrendered, Loaded, LoadedPolicies};
use verdikt_scenario::place::Place;
use verdikt_scenario::plain::counted;
use verdikt_scenario::settings::Settings;
use verdikt_scenario::version::CiliumVersion;

use self::unsaid::unsaid;
use super::{paths_or_default, tell_unrendered};
use crate::arguments::{CheckArguments, Format};
use crate::exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::reports;
use crate::situation::{paths_with, take_settings};

/// What was found.
#[derive(Default)]
struct CheckFindings {
    diagnostics: Vec<Diagnostic>,
    sources: SourceTexts,
    scenarios: usize,
    policies: usize,
    /// How many warnings a comment allows.
    allowed: usize,
    /// Skipped documents, and skipped empty files.
    passed_over: (usize, usize),
    unrendered: AllUnrendered,
}

pub(crate) fn check(arguments: &CheckArguments, printer: &Printer) -> Result<ExitCode, Failure> {
    let paths = paths_or_default(&arguments.paths)?;
    reports::check(&arguments.reports)?;
    let (version, settings) = (arguments.cilium, arguments.settings.file());
    let mut loader = verdikt_manifests::loader(&paths_with(&paths, settings), arguments.files.reach());
    take_settings(&mut loader, settings, version, printer)?;
    let settings = loader.settings().cloned();
    let given = LintOptions { version, settings: settings.as_ref() };
    let (scenarios, policies): (Vec<PathBuf>, Vec<PathBuf>) =
        paths.into_iter().partition(|path| loader.has_scenario(path));
    let mut found = CheckFindings::default();
    if !scenarios.is_empty() {
        let used = check_scenarios(loader.scenarios(&scenarios), version, &mut found);
        // Policies of the same folder that no scenario uses are checked too.
        check_policies(loader.policies(&scenarios, &used), given, Set::Rest, &mut found);
    }
    let loaded = loader.policies(&policies, &BTreeSet::new());
    let without = loaded.without.iter().map(|path| {
        let place = Place::start_of(path.display().to_string());
        Diagnostic::error(place, "there is neither a scenario nor a policy here")
            .help("scenarios begin with `scenario: NAME`; policies are in .yaml, .yml and .json files")
    });
    let without: Vec<Diagnostic> = without.collect();
    // A named file without content is wrong; a folder may be empty.
    let only_folders = loaded.without.iter().all(|path| path.is_dir());
    check_policies(loaded, given, Set::Whole, &mut found);
    let is_empty = only_folders && found.diagnostics.is_empty() && found.scenarios + found.policies == 0;
    found.diagnostics.extend(without);
    found.allowed = take_allowed(&mut found.diagnostics, &found.sources);
    found.diagnostics.sort();
    found.diagnostics.dedup();
    tell_unrendered(&found.unrendered, printer);
    let checked = Checked { scenarios: found.scenarios, policies: found.policies };
    let warnings_denied = arguments.deny_warnings;
    let report = CheckReport { checked, diagnostics: &found.diagnostics, warnings_denied };
    reports::write_diagnostics(&arguments.reports, &report)?;
    if is_empty && !found.diagnostics.is_empty() {
        return Err(Failure::nothing_in(found.diagnostics, found.sources));
    }
    match arguments.format {
        Format::Text => printer.diagnostics(&found.diagnostics, &found.sources),
        Format::Json => Printer::json(
            &json::diagnostics(&report)
                .map_err(|error| Failure::machine("cannot write the answer as JSON").cause(&error))?,
        )?,
    }
    let code = summary(&found, arguments);
    Ok(if is_empty { ExitCode::from(exit::NOTHING_TO_RUN) } else { code })
}

fn summary(found: &CheckFindings, arguments: &CheckArguments) -> ExitCode {
    let count =
        |severity| found.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let hints = match count(Severity::Hint) {
        0 => String::new(),
        hints => format!(", {}", counted(hints, "hint")),
    };
    let allowed = match found.allowed {
        0 => String::new(),
        allowed => format!(", {allowed} allowed with a reason"),
    };
    Printer::tell(&format!(
        "{} and {} checked for Cilium {}: {}, {}{hints}{allowed}\n",
        counted(found.scenarios, "scenario"),
        counted(found.policies, "policy object"),
        arguments.cilium,
        counted(errors, "mistake"),
        counted(warnings, "warning"),
    ));
    super::tell_skipped(found.passed_over);
    ExitCode::from(match (errors, warnings) {
        (0, 0) => exit::AS_EXPECTED,
        (0, _) if !arguments.deny_warnings => exit::AS_EXPECTED,
        (0, _) => exit::DIFFERS,
        _ => exit::WRONG_INPUT,
    })
}

/// Checks scenarios. Returns the paths of the files that they consist of.
fn check_scenarios(loaded: Loaded, version: CiliumVersion, found: &mut CheckFindings) -> BTreeSet<PathBuf> {
    found.diagnostics.extend(loaded.diagnostics);
    found.diagnostics.extend(verdikt_runner::mistakes(&loaded.scenarios, version));
    found.sources.extend(&loaded.sources);
    found.scenarios += loaded.scenarios.len();
    let applicable = loaded.scenarios.iter().filter(|scenario| scenario.cilium.contains(version));
    let steps = applicable.flat_map(|scenario| scenario.steps.iter().map(move |step| (scenario, step)));
    for (scenario, step) in steps {
        found.policies += step.policies.len();
        let StepFindings { mistakes, warnings } = findings(scenario, step, version, Clock::System.now());
        found.diagnostics.extend(mistakes.into_iter().chain(warnings));
    }
    loaded.used
}

/// Whether the policies are complete.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    /// They are all policies in force.
    Whole,
    /// Other policies may be in force beside them.
    Rest,
}

/// What policies without a topology are checked for.
#[derive(Clone, Copy)]
struct LintOptions<'a> {
    version: CiliumVersion,
    settings: Option<&'a Settings>,
}

fn check_policies(loaded: LoadedPolicies, given: LintOptions<'_>, set: Set, found: &mut CheckFindings) {
    let LintOptions { version, settings } = given;
    let enforcement = settings.map(|settings| settings.enforcement).unwrap_or_default();
    let options = ModelOptions { version, enforcement, ..ModelOptions::default() };
    let Findings { refusals, warnings } = match settings {
        Some(settings) => lint_under(settings, &loaded.manifests, &options),
        None => lint(None, &loaded.manifests, &options),
    };
    found.diagnostics.extend(unsaid(refusals, &loaded));
    if set == Set::Whole {
        found.diagnostics.extend(warnings);
    }
    found.diagnostics.extend(loaded.diagnostics);
    found.sources.extend(&loaded.sources);
    found.policies += loaded.manifests.len();
    found.passed_over.0 += loaded.ignored;
    found.passed_over.1 += loaded.empty_files;
    for (why, names) in loaded.unrendered {
        found.unrendered.entry(why).or_default().extend(names);
    }
}
