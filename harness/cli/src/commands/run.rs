//! `verdikt run`: evaluates scenarios.

mod chosen_backend;
mod cluster;
mod consent;
mod log;
mod output;
mod remembered;
mod update;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use verdikt_report::diagnostics::{CheckReport, Checked};
use verdikt_report::terminal::TerminalOptions;
use verdikt_runner::clock::Clock;
use verdikt_runner::filter::Filter;
use verdikt_runner::model;
use verdikt_runner::plan::{RunOptions, cell_names};
use verdikt_scenario::diagnostic::{Diagnostic, Severity, take_allowed};
use verdikt_scenario::loader::Loaded;
use verdikt_scenario::plain::counted;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::RunOrigin;
use verdikt_verdict::run_result::{RunResult, Totals};

use self::chosen_backend::ChosenBackend;
use self::log::EventLogWriter;
use self::output::{KeptRun, RunOutput};
use self::remembered::DifferingCells;
use self::update::UpdateEffect;
use super::{load_without_mistakes, paths_or_default};
use crate::arguments::{Reports, RunArguments};
use crate::exit;
use crate::failure::{Failure, FailureContent};
use crate::lab_use;
use crate::printer::Printer;
use crate::reports;
use crate::signals;

pub(crate) fn run(arguments: &RunArguments, printer: &Printer) -> Result<ExitCode, Failure> {
    update::check(arguments)?;
    let paths = paths_or_default(&arguments.paths)?;
    if arguments.watch {
        return watch::watch(arguments, &paths, printer);
    }
    once(arguments, &paths, &paths, printer)
}

/// Runs the scenarios of some of the paths that the command names.
fn once(
    arguments: &RunArguments,
    named: &[PathBuf],
    paths: &[PathBuf],
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let RunArguments { filter, shard, list, files, output, events: log, .. } = arguments;
    if !*list {
        check_files(&output.reports, log.as_deref())?;
    }
    let loaded = load_without_mistakes(named, paths, files.reach());
    let mut loaded = loaded.map_err(|failure| reported(failure, arguments))?;
    let backend = if *list {
        ChosenBackend::Model(None)
    } else {
        ChosenBackend::choose(arguments, &loaded.scenarios, printer)?
    };
    let cilium = backend.version(arguments.cilium)?;
    let mistakes = verdikt_runner::mistakes(&loaded.scenarios, cilium);
    if !mistakes.is_empty() {
        return Err(reported(Failure::mistakes(mistakes, loaded.sources), arguments));
    }
    let all = loaded.scenarios.len();
    let scenarios = std::mem::take(&mut loaded.scenarios);
    let scenarios = match shard {
        None => scenarios,
        Some(shard) => shard.of(scenarios),
    };
    let mut options = run_options(arguments, &backend, cilium)?;
    let mut names = cell_names(&scenarios, &options).peekable();
    if names.peek().is_none() {
        let hint = if let Some(shard) = shard.filter(|_| scenarios.is_empty()) {
            format!("shard {shard} of {} is empty", counted(all, "scenario"))
        } else if filter.is_empty() {
            format!("no scenario holds for Cilium {cilium}")
        } else {
            "no cell matches the filter; `--list` shows the names of all".to_owned()
        };
        return Err(Failure::nothing("there is nothing to run").hint(hint));
    }
    if *list {
        names.try_for_each(|name| Printer::data(&format!("{name}\n")))?;
        return Ok(ExitCode::SUCCESS);
    }
    drop(names);
    options.warnings = warnings(&loaded, &scenarios, cilium, &options.filters);
    let tables = update::LoadedTables { scenarios: &scenarios, sources: &loaded.sources };
    evaluate(arguments, backend, &tables, &options, printer)
}

/// Runs the loaded scenarios, writes every report, and rewrites tables with `--update`.
fn evaluate(
    arguments: &RunArguments,
    backend: ChosenBackend,
    loaded: &update::LoadedTables<'_>,
    options: &RunOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let RunArguments { output, events: log, .. } = arguments;
    let scenarios = loaded.scenarios;
    let shown = TerminalOptions {
        width: Printer::width(),
        colour: printer.colour,
        detail: output.detail(),
        command: backend.command(arguments),
    };
    let signals = signals::hold();
    let log = log.as_deref().map(EventLogWriter::create).transpose()?;
    let mut told = RunOutput::new(shown, scenarios.len(), arguments, log);
    let mut remembered = DifferingCells::default();
    let mut sink = |event| {
        remembered.add(&event);
        told.tell(event)
    };
    let outcome = match backend {
        ChosenBackend::Model(_) => model::run_until(scenarios, options, &|| signals.is_asked(), &mut sink),
        ChosenBackend::Lab => lab_use::run(scenarios, options, &signals, &mut sink)?,
        ChosenBackend::Cluster(cluster) => cluster.run(scenarios, options, &signals, &mut sink)?,
    };
    remembered.keep();
    let KeptRun { events, differing, totals } = told.end()?;
    let outcome = outcome.map_err(|error| Failure::output(&error))?;
    reports::write(&output.reports, &events)?;
    drop(signals);
    let left = match arguments.update.filter(|_| outcome != RunResult::Interrupted) {
        None => outcome,
        Some(mode) => {
            let effect = if arguments.check { UpdateEffect::List } else { UpdateEffect::Write };
            let recorded = update::update(mode, effect, loaded, &differing)?;
            RunResult::of(&Totals { differing: totals.differing - recorded, ..totals })
        }
    };
    if left == RunResult::AsExpected && arguments.deny_warnings && totals.warnings > 0 {
        return Ok(ExitCode::from(exit::DIFFERS));
    }
    Ok(ExitCode::from(left.exit_code()))
}

/// Writes the mistakes of a failure into the reports, and returns the failure.
fn reported(failure: Failure, arguments: &RunArguments) -> Failure {
    match &failure.what {
        FailureContent::Mistakes(mistakes, _) if !arguments.list => {
            let reports = &arguments.output.reports;
            let (checked, warnings_denied) = (Checked::default(), arguments.deny_warnings);
            let found = CheckReport { checked, diagnostics: mistakes, warnings_denied };
            reports::write_diagnostics(reports, &found).err().unwrap_or(failure)
        }
        _ => failure,
    }
}

fn run_options(
    arguments: &RunArguments,
    backend: &ChosenBackend,
    version: CiliumVersion,
) -> Result<RunOptions, Failure> {
    Ok(RunOptions {
        version,
        filters: if arguments.failed { DifferingCells::filters()? } else { arguments.filter.clone() },
        parallel: arguments.parallel.map_or_else(|| backend.scenarios_at_once(), |it| it.get().into()),
        timeout: arguments.timeout,
        clock: Clock::System,
        origin: origin(backend.context()),
        instead_of_lab: backend.instead_of_lab(),
        warnings: Vec::new(),
    })
}

/// The warnings of `check`, each once.
fn warnings(
    loaded: &Loaded,
    scenarios: &[Scenario],
    version: CiliumVersion,
    filters: &[Filter],
) -> Vec<Diagnostic> {
    let of_policies = verdikt_runner::warnings::warnings(scenarios, version, filters, Clock::System.now());
    let all: BTreeSet<Diagnostic> = loaded.diagnostics.iter().cloned().chain(of_policies).collect();
    let mut all: Vec<Diagnostic> =
        all.into_iter().filter(|diagnostic| diagnostic.severity == Severity::Warning).collect();
    take_allowed(&mut all, &loaded.sources);
    all
}

/// The origin of this run, whose name consists of its time and process ID.
fn origin(context: Option<String>) -> RunOrigin {
    let started = Clock::System.now();
    let run = started.map(|started| format!("{started}-{}", std::process::id()));
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    RunOrigin { run, started, arguments, context }
}

/// Checks before the run that every file can be written, and that no two outputs name the same file.
fn check_files(reports: &Reports, log: Option<&Path>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    let part = log.map(log::part_of);
    for path in reports.files.iter().map(|report| report.path.as_path()).chain(log).chain(part.as_deref()) {
        if !seen.insert(reports::place_of(path)) {
            return Err(Failure::wrong(format!("`{}` would be written twice", path.display()))
                .hint("give every report and the event log a file of its own"));
        }
    }
    reports::check(reports)?;
    log.map_or(Ok(()), log::check)
}
