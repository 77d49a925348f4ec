//! `verdikt run`: evaluates scenarios.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

use verdikt_report::terminal::{Options, Terminal};
use verdikt_runner::model::{self, RunOptions};
use verdikt_verdict::event::Event;

use super::{load_scenarios, paths_or_default, reports};
use crate::arguments::{Backend, ReportFile, Run};
use crate::failure::{Failure, What};
use crate::printer::Printer;

/// How the report writes the command that repeats one cell.
const COMMAND: &str = "verdikt run";

pub(crate) fn run(arguments: &Run, printer: &Printer) -> Result<ExitCode, Failure> {
    let Run { paths, on: Backend::Model, cilium, filter, list, output, events: log } = arguments;
    let loaded = load_scenarios(&paths_or_default(paths)?, printer)?;
    let mistakes = verdikt_runner::mistakes(&loaded.scenarios, *cilium);
    if !mistakes.is_empty() {
        return Err(Failure::mistakes(mistakes, loaded.sources));
    }
    let options = RunOptions { version: *cilium, filters: filter.clone() };
    let cells = model::cells(&loaded.scenarios, &options);
    if cells.is_empty() {
        let hint = if filter.is_empty() {
            format!("no scenario holds for Cilium {cilium}")
        } else {
            "no cell matches the filter; `--list` shows the names of all".to_owned()
        };
        return Err(Failure::nothing("there is nothing to run").hint(hint));
    }
    if *list {
        for name in cells {
            Printer::data(&format!("{name}\n"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    refuse_shared_files(&output.reports, log.as_deref())?;
    reports::prepare(&output.reports)?;
    let mut log = match log {
        None => None,
        Some(path) => {
            let file =
                File::create(path).map_err(|error| Failure::file("write the event log", path, &error))?;
            Some(BufWriter::new(file))
        }
    };
    let mut terminal = Terminal::new(Options {
        width: Printer::width(),
        colour: printer.colour,
        quiet: output.quiet,
        command: COMMAND.to_owned(),
    });
    let mut events = Vec::new();
    let mut failure = None;
    let mut closed = false;
    let outcome = model::run(&loaded.scenarios, &options, &mut |event: Event| {
        if let Some(log) = &mut log {
            writeln!(log, "{}", event.to_line()?)?;
        }
        // A reader that has gone ends the printing, and neither the log nor the reports nor the exit code.
        let shown = if closed { Ok(()) } else { Printer::data(&terminal.push(&event)) };
        events.push(event);
        match shown {
            Err(Failure { what: What::OutputClosed, .. }) => closed = true,
            Err(other) => {
                failure = Some(other);
                return Err(io::Error::other("the output cannot be written"));
            }
            Ok(()) => {}
        }
        Ok(())
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    let outcome = outcome.map_err(|error| Failure::output(&error))?;
    if let Some(mut log) = log {
        log.flush().map_err(|error| Failure::output(&error))?;
    }
    reports::write(&output.reports, &events)?;
    Ok(ExitCode::from(outcome.exit_code()))
}

/// Two outputs in one file would overwrite each other.
fn refuse_shared_files(reports: &[ReportFile], log: Option<&Path>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for path in reports.iter().map(|report| report.path.as_path()).chain(log) {
        if !seen.insert(reports::place_of(path)) {
            return Err(Failure::wrong(format!("`{}` is to be written twice", path.display()))
                .hint("give every report and the event log a file of its own"));
        }
    }
    Ok(())
}
