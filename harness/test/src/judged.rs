//! Decides the result of a test from the events about its subject, and renders them.

use libtest_mimic::{Completion, Failed};
use verdikt_report::terminal::{Detail, Terminal, TerminalOptions};
use verdikt_verdict::event::Event;
use verdikt_verdict::run_result::{RunResult, Totals};

/// The width of reports.
const WIDTH: usize = 100;

/// The subject of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TestSubject {
    /// A whole scenario.
    Scenario,
    /// A step: its cells, and whether its objects are accepted or refused as expected.
    Step(String),
    /// Whether the objects of a step are accepted or refused as expected.
    Objects(String),
    /// A cell, by its name.
    Cell(String),
}

impl TestSubject {
    fn step(&self) -> Option<&str> {
        match self {
            Self::Scenario | Self::Cell(_) => None,
            Self::Step(step) | Self::Objects(step) => Some(step),
        }
    }

    fn includes(&self, event: &Event) -> bool {
        match (self, event) {
            (Self::Objects(_), Event::CellJudged(_))
            | (Self::Cell(_), Event::ObjectJudged(_) | Event::InvariantJudged(_)) => false,
            (Self::Cell(name), Event::CellJudged(cell)) => cell.name().to_string() == *name,
            _ => true,
        }
    }

    /// The message if it contains no cell at all.
    fn empty_result(&self) -> EmptyResult {
        match self {
            Self::Objects(_) => EmptyResult::Passes,
            Self::Scenario | Self::Step(_) | Self::Cell(_) => EmptyResult::Fails,
        }
    }
}

/// The message if nothing ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EmptyResult {
    Passes,
    Fails,
}

/// Decides about a subject by the events of a run that contains its scenario, and that this command repeats.
pub(crate) fn completion(
    events: &[Event],
    scenario: &str,
    subject: &TestSubject,
    command: &str,
) -> Result<Completion, Failed> {
    let mut of_it = Vec::new();
    let mut run: Option<&Event> = None;
    let mut ended = false;
    let mut step: Option<&str> = None;
    for event in events {
        match event {
            Event::ScenarioFailed(failed) if failed.scenario == scenario => {
                return Err(Failed::from(&failed.reason));
            }
            Event::ScenarioSkipped(skipped) if skipped.scenario == scenario => {
                return Ok(Completion::ignored_with(&skipped.because));
            }
            Event::RunStarted(_) => run = Some(event),
            Event::StepStarted(started) if started.scenario == scenario => {
                step = Some(&started.step);
            }
            _ => {}
        }
        let wanted = step.is_some_and(|step| subject.step().is_none_or(|wanted| wanted == step));
        if wanted && subject.includes(event) {
            of_it.push(event);
        }
        if matches!(event, Event::StepFinished(finished) if finished.scenario == scenario) {
            ended |= wanted;
            step = None;
        }
    }
    if !ended {
        return Err(Failed::from("the run ended before it had a verdict on this"));
    }
    // The report says for which Cilium version the run was.
    of_it.splice(0..0, run);
    verdict(&of_it, subject.empty_result(), command).map(|()| Completion::Completed)
}

/// Fails with a report unless all events are as expected. The command repeats the run.
pub(crate) fn all(events: &[Event], command: &str) -> Result<(), Failed> {
    verdict(&events.iter().collect::<Vec<_>>(), EmptyResult::Fails, command)
}

fn verdict(events: &[&Event], empty: EmptyResult, command: &str) -> Result<(), Failed> {
    match RunResult::of(&Totals::of(events.iter().copied())) {
        RunResult::AsExpected => Ok(()),
        RunResult::NothingToRun if empty == EmptyResult::Passes => Ok(()),
        _ => Err(Failed::from(report(events, command))),
    }
}

/// The report of `verdikt run` about these events.
fn report(events: &[&Event], command: &str) -> String {
    let options = TerminalOptions {
        width: WIDTH,
        colour: false,
        detail: Detail::Differences,
        command: command.to_owned(),
    };
    let mut terminal = Terminal::new(options);
    events.iter().map(|event| terminal.push(event)).collect()
}
