//! Where the events of a run go while it runs: the log, the terminal, a line that tells how far it is.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use verdikt_report::terminal::{Options, Terminal};
use verdikt_scenario::cell_name::StepName;
use verdikt_verdict::event::{Event, StepStarted};

use crate::arguments::ReportFile;
use crate::failure::{Failure, What};
use crate::printer::Printer;

/// Everybody who is told of events.
pub(super) struct Output {
    log: Option<BufWriter<File>>,
    terminal: Terminal,
    progress: ProgressBar,
    /// What the reports in files are made of; nothing is kept where there are none.
    events: Option<Vec<Event>>,
    failure: Option<Failure>,
    closed: bool,
}

impl Output {
    /// An output without a log yet, for so many scenarios and these reports.
    pub(super) fn new(options: Options, scenarios: usize, reports: &[ReportFile]) -> Self {
        // Nothing is drawn where stderr is no terminal.
        let progress = ProgressBar::with_draw_target(
            u64::try_from(scenarios).ok(),
            ProgressDrawTarget::stderr_with_hz(10),
        );
        // Only a template that is wrong is refused.
        if let Ok(style) = ProgressStyle::with_template("{pos} of {len} scenarios, {elapsed}  {wide_msg}") {
            progress.set_style(style);
        }
        Self {
            log: None,
            terminal: Terminal::new(options),
            progress,
            events: (!reports.is_empty()).then(Vec::new),
            failure: None,
            closed: false,
        }
    }

    /// Writes the log there.
    pub(super) fn log_to(&mut self, path: &Path) -> Result<(), Failure> {
        let file = File::create(path).map_err(|error| Failure::file("write the event log", path, &error))?;
        self.log = Some(BufWriter::new(file));
        Ok(())
    }

    /// Tells of an event. After an error nothing more can be told.
    pub(super) fn tell(&mut self, event: Event) -> io::Result<()> {
        if let Some(log) = &mut self.log {
            writeln!(log, "{}", event.to_line()?)?;
            // The cells of a step are told at once, and its end after them.
            if !matches!(event, Event::CellJudged(_)) {
                log.flush()?;
            }
        }
        match &event {
            Event::StepStarted(step) => {
                let StepStarted { scenario, step, .. } = step;
                self.progress.set_message(StepName { scenario, step }.to_string());
            }
            Event::ScenarioStarted(_) | Event::ScenarioSkipped(_) => self.progress.inc(1),
            Event::RunFinished(_) => self.progress.finish_and_clear(),
            _ => {}
        }
        // A reader that has gone ends the printing, and neither the log nor the reports nor the exit code.
        let text = self.terminal.push(&event);
        if let Some(events) = &mut self.events {
            events.push(event);
        }
        if self.closed || text.is_empty() {
            return Ok(());
        }
        match self.progress.suspend(|| Printer::data(&text)) {
            Ok(()) => Ok(()),
            Err(Failure { what: What::OutputClosed, .. }) => {
                self.closed = true;
                Ok(())
            }
            Err(other) => {
                self.failure = Some(other);
                Err(io::Error::other("the output cannot be written"))
            }
        }
    }

    /// All events where reports need them, or why they could not be told.
    pub(super) fn end(self) -> Result<Vec<Event>, Failure> {
        self.failure.map_or(Ok(self.events.unwrap_or_default()), Err)
    }
}
