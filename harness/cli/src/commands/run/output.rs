//! Distributes the events of a run: to the log, the terminal, and a progress line.

use std::io;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use verdikt_report::terminal::{Terminal, TerminalOptions};
use verdikt_scenario::cell_name::StepName;
use verdikt_scenario::plain::Plain;
use verdikt_verdict::compare::CellResult;
use verdikt_verdict::event::{CellJudged, Event, StepStarted};
use verdikt_verdict::run_result::Totals;

use super::log::EventLogWriter;
use crate::arguments::RunArguments;
use crate::failure::{Failure, FailureContent};
use crate::printer::Printer;

/// The receivers of events.
pub(super) struct RunOutput {
    log: Option<EventLogWriter>,
    terminal: Terminal,
    progress: ProgressBar,
    /// All events, if reports in files need them.
    events: Option<Vec<Event>>,
    /// The cells that are not as expected, if tables are rewritten.
    differing: Option<Vec<Arc<CellJudged>>>,
    totals: Totals,
    failure: Option<Failure>,
    closed: bool,
    /// Whether the standard output belongs to a report, so that text for people goes to standard error.
    is_beside: bool,
}

/// What is kept of a run.
pub(super) struct KeptRun {
    /// All events, where reports need them.
    pub(super) events: Vec<Event>,
    /// The cells that are not as expected, where tables are rewritten.
    pub(super) differing: Vec<Arc<CellJudged>>,
    /// What was counted.
    pub(super) totals: Totals,
}

impl RunOutput {
    /// Creates the output for this many scenarios.
    pub(super) fn new(
        options: TerminalOptions,
        scenarios: usize,
        arguments: &RunArguments,
        log: Option<EventLogWriter>,
    ) -> Self {
        // Nothing is drawn if stderr is not a terminal.
        let progress = ProgressBar::with_draw_target(
            u64::try_from(scenarios).ok(),
            ProgressDrawTarget::stderr_with_hz(10),
        );
        // Only an invalid template is refused.
        if let Ok(style) = ProgressStyle::with_template("{pos} of {len} scenarios, {elapsed}  {wide_msg}") {
            progress.set_style(style);
        }
        Self {
            log,
            terminal: Terminal::new(options),
            progress,
            events: (!arguments.output.reports.files.is_empty()).then(Vec::new),
            differing: arguments.update.is_some().then(Vec::new),
            totals: Totals::default(),
            failure: None,
            closed: false,
            is_beside: arguments.output.reports.take_stdout(),
        }
    }

    /// Distributes an event. After an error no more events are accepted.
    pub(super) fn tell(&mut self, event: Event) -> io::Result<()> {
        if let Some(Err(failure)) = self.log.as_mut().map(|log| log.write(&event)) {
            return Err(self.fail(failure));
        }
        match &event {
            Event::StepStarted(step) => {
                let StepStarted { scenario, step, .. } = step;
                let name = Plain::line(&StepName { scenario, step }.to_string());
                self.progress.set_message(String::from(name));
            }
            Event::ScenarioStarted(_) | Event::ScenarioSkipped(_) => self.progress.inc(1),
            Event::CellJudged(cell) if cell.result != CellResult::AsExpected => {
                self.differing.iter_mut().for_each(|differing| differing.push(Arc::clone(cell)));
            }
            Event::RunFinished(run) => {
                self.totals = run.totals;
                self.progress.finish_and_clear();
            }
            _ => {}
        }
        // A closed standard output ends the printing, but not the log and reports, and does not change the exit code.
        let text = self.terminal.push(&event);
        if let Some(events) = &mut self.events {
            events.push(event);
        }
        if self.closed || text.is_empty() {
            return Ok(());
        }
        let print = |text: &str| {
            if self.is_beside {
                Printer::tell(text);
                return Ok(());
            }
            Printer::data(text)
        };
        match self.progress.suspend(|| print(&text)) {
            Ok(()) => Ok(()),
            Err(Failure { what: FailureContent::OutputClosed, .. }) => {
                self.closed = true;
                Ok(())
            }
            Err(other) => Err(self.fail(other)),
        }
    }

    /// Keeps the failure for the end.
    fn fail(&mut self, failure: Failure) -> io::Error {
        self.failure = Some(failure);
        io::Error::other("the output cannot be written")
    }

    /// Returns what is kept of the run, or the first failure. The log of an incomplete run stays as it is.
    pub(super) fn end(self) -> Result<KeptRun, Failure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if let Some(log) = self.log {
            log.end()?;
        }
        let (events, differing) = (self.events.unwrap_or_default(), self.differing.unwrap_or_default());
        Ok(KeptRun { events, differing, totals: self.totals })
    }
}
