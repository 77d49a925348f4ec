//! `verdikt run`: evaluates scenarios.

mod chosen_backend;
pub(crate) mod cluster;
mod consent;
pub(crate) mod lab;
mod log;
mod output;
mod remembered;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use verdikt_report::terminal::Options;
use verdikt_runner::clock::Clock;
use verdikt_runner::model;
use verdikt_runner::plan::{RunOptions, cell_names};
use verdikt_verdict::event::RunOrigin;

use self::chosen_backend::ChosenBackend;
use self::log::Log;
use self::output::Output;
use self::remembered::Remembered;
use super::{counted, load_scenarios_of, paths_or_default, reports};
use crate::arguments::{ReportFile, Run};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::signals;

/// How the report writes the command that repeats one cell.
const COMMAND: &str = "verdikt run";

pub(crate) fn run(arguments: &Run, printer: &Printer) -> Result<ExitCode, Failure> {
    let paths = paths_or_default(&arguments.paths)?;
    if arguments.watch {
        return watch::watch(arguments, &paths, printer);
    }
    once(arguments, &paths, &paths, printer)
}

/// Runs the scenarios of some of the paths that the command names.
fn once(
    arguments: &Run,
    named: &[PathBuf],
    paths: &[PathBuf],
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let Run { parallel, timeout, filter, shard, list, files, output, events: log, .. } = arguments;
    let loaded = load_scenarios_of(named, paths, files.reach(), printer)?;
    if !*list {
        check_files(&output.reports, log.as_deref())?;
    }
    let backend = if *list {
        ChosenBackend::Model
    } else {
        ChosenBackend::choose(arguments, &loaded.scenarios, printer)?
    };
    let cilium = backend.version(arguments.cilium)?;
    let mistakes = verdikt_runner::mistakes(&loaded.scenarios, cilium);
    if !mistakes.is_empty() {
        return Err(Failure::mistakes(mistakes, loaded.sources));
    }
    let all = loaded.scenarios.len();
    let scenarios = match shard {
        None => loaded.scenarios,
        Some(shard) => shard.of(loaded.scenarios),
    };
    let options = RunOptions {
        version: cilium,
        filters: if arguments.failed { Remembered::filters()? } else { filter.clone() },
        parallel: parallel.get().into(),
        timeout: Duration::from_millis((*timeout).into()),
        clock: Clock::System,
        origin: origin(backend.context()),
    };
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
        for name in names {
            Printer::data(&format!("{name}\n"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let shown = Options {
        width: Printer::width(),
        colour: printer.colour,
        quiet: output.quiet,
        command: COMMAND.to_owned(),
    };
    let signals = signals::hold();
    let log = log.as_deref().map(Log::create).transpose()?;
    let mut told = Output::new(shown, scenarios.len(), &output.reports, log);
    let mut remembered = Remembered::default();
    let mut sink = |event| {
        remembered.add(&event);
        told.tell(event)
    };
    let outcome = match backend {
        ChosenBackend::Model => model::run_until(&scenarios, &options, &|| signals.is_asked(), &mut sink),
        ChosenBackend::Lab => lab::run(&scenarios, &options, &signals, &mut sink)?,
        ChosenBackend::Cluster(session) => session.run(&scenarios, &options, &signals, &mut sink)?,
    };
    remembered.keep();
    let events = told.end()?;
    let outcome = outcome.map_err(|error| Failure::output(&error))?;
    reports::write(&output.reports, &events)?;
    Ok(ExitCode::from(outcome.exit_code()))
}

/// Which run this is: its name is its time and its process.
fn origin(context: Option<String>) -> RunOrigin {
    let started = Clock::System.now();
    let run = started.map(|started| format!("{started}-{}", std::process::id()));
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    RunOrigin { run, started, arguments, context }
}

/// Makes sure that every file can be written, before anything runs. Two outputs in one file would overwrite each other.
fn check_files(reports: &[ReportFile], log: Option<&Path>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    let part = log.map(log::part_of);
    for path in reports.iter().map(|report| report.path.as_path()).chain(log).chain(part.as_deref()) {
        if !seen.insert(reports::place_of(path)) {
            return Err(Failure::wrong(format!("`{}` is to be written twice", path.display()))
                .hint("give every report and the event log a file of its own"));
        }
    }
    reports::check(reports)?;
    log.map_or(Ok(()), log::check)
}
