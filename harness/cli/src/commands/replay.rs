//! `verdikt replay`: the reports of an earlier run, from its event log.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use verdikt_report::terminal::{Terminal, TerminalOptions};
use verdikt_verdict::event::{Event, FORMAT};
use verdikt_verdict::run_result::{RunResult, Totals};

use crate::arguments::Replay;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::reports;
use crate::signals;

pub(crate) fn replay(arguments: &Replay, printer: &Printer) -> Result<ExitCode, Failure> {
    let Replay { log, output } = arguments;
    let events = read(log)?;
    reports::check(&output.reports)?;
    let mut terminal = Terminal::new(TerminalOptions {
        width: Printer::width(),
        colour: printer.colour,
        detail: output.detail(),
        command: "verdikt run".to_owned(),
    });
    for event in &events {
        let text = terminal.push(event);
        if output.reports.take_stdout() { Printer::tell(&text) } else { Printer::data(&text)? }
    }
    let held = signals::hold();
    reports::write(&output.reports, &events)?;
    drop(held);
    if let Some(Event::RunFinished(run)) = events.last() {
        return Ok(ExitCode::from(run.outcome.exit_code()));
    }
    Printer::tell("the run of this log did not come to its end\n");
    // What was not evaluated is neither as expected nor different.
    let outcome = match RunResult::of(&Totals::of(&events)) {
        known @ (RunResult::Differs | RunResult::Failed) => known,
        _ => RunResult::Inconclusive,
    };
    Ok(ExitCode::from(outcome.exit_code()))
}

/// The events of a log, which may end anywhere: what a run was writing when it was killed is left out.
fn read(log: &Path) -> Result<Vec<Event>, Failure> {
    let mut bytes = fs::read(log).map_err(|error| Failure::file("read the event log", log, &error))?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let ends_well = str::from_utf8(&bytes[whole..]).is_ok_and(|line| Event::from_line(line).is_ok());
    // A first line must be whole to tell what this is.
    if !ends_well && whole > 0 {
        bytes.truncate(whole);
    }
    let text = String::from_utf8(bytes).map_err(|error| Failure::file("read the event log", log, &error))?;
    let mut events = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = format!("{}:{}", log.display(), index + 1);
        let event = Event::from_line(line);
        let event = event.map_err(|error| {
            Failure::wrong(format!(
                "{place}: this is not an event of a run: name a log that `run --events` wrote"
            ))
            .cause(&error)
        })?;
        match (&event, index) {
            (Event::RunStarted(started), 0) if started.format != FORMAT => {
                return Err(Failure::wrong(format!(
                    "{place}: the log has format {}, and this verdikt reads {FORMAT}",
                    started.format
                ))
                .hint("run the scenarios again, or replay the log with the verdikt that wrote it"));
            }
            (Event::RunStarted(_), 0) => {}
            (_, 0) => {
                return Err(Failure::wrong(format!(
                    "{place}: the log does not begin with the start of a run"
                )));
            }
            _ => {}
        }
        events.push(event);
    }
    if events.is_empty() {
        return Err(Failure::wrong(format!("{}: the log is empty", log.display())));
    }
    Ok(events)
}
