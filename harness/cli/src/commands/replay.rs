//! `verdikt replay`: the reports of an earlier run, from its event log.

use std::fs;
use std::process::ExitCode;

use verdikt_report::terminal::{Options, Terminal};
use verdikt_verdict::event::{Event, FORMAT};
use verdikt_verdict::outcome::{Outcome, Totals};

use super::reports;
use crate::arguments::Replay;
use crate::failure::Failure;
use crate::printer::Printer;

pub(crate) fn replay(arguments: &Replay, printer: &Printer) -> Result<ExitCode, Failure> {
    let Replay { log, output } = arguments;
    let text = fs::read_to_string(log).map_err(|error| Failure::file("read the event log", log, &error))?;
    let mut events = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = format!("{}:{}", log.display(), index + 1);
        let event = Event::from_line(line);
        let event =
            event.map_err(|error| Failure::wrong(format!("{place}: no event of a run")).cause(&error))?;
        match (&event, index) {
            (Event::RunStarted(started), 0) if started.format == FORMAT => {}
            (Event::RunStarted(started), 0) => {
                let message = format!(
                    "{place}: the log has format {}, and this verdikt reads {FORMAT}",
                    started.format
                );
                return Err(Failure::wrong(message));
            }
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
    reports::prepare(&output.reports)?;
    let mut terminal = Terminal::new(Options {
        width: Printer::width(),
        colour: printer.colour,
        quiet: output.quiet,
        command: "verdikt run".to_owned(),
    });
    for event in &events {
        Printer::data(&terminal.push(event))?;
    }
    reports::write(&output.reports, &events)?;
    let outcome = Outcome::of(&Totals::of(&events));
    if matches!(events.last(), Some(Event::RunFinished(_))) || outcome == Outcome::Differs {
        return Ok(ExitCode::from(outcome.exit_code()));
    }
    // What was not evaluated is neither as expected nor different.
    Printer::tell("the run of this log did not come to its end\n");
    Ok(ExitCode::from(Outcome::Inconclusive.exit_code()))
}
