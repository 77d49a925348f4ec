//! The report for people, as the run goes: the table of every step, the rules behind its verdicts, and every
//! difference explained.

use std::collections::BTreeMap;
use std::sync::Arc;

use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::CellResult;
use verdikt_verdict::event::{CellJudged, CellSkipped, Event, ObjectJudged, ScenarioStarted, StepStarted};
use verdikt_verdict::evidence::Basis;
use verdikt_verdict::invariant::InvariantJudged;

use crate::difference::Setting;
use crate::paint::{Paint, Tone};
use crate::text::{plain, width, wrap};
use crate::words;

mod group;
mod step;
mod summary;

/// How a run is shown.
#[derive(Clone, Debug)]
pub struct Options {
    /// The columns of the terminal. Places, rules and commands stay whole even where they take more.
    pub width: usize,
    /// Whether there are colours.
    pub colour: bool,
    /// Whether steps that are as expected take one line, and others one line and their differences. Then nothing is kept
    /// of cells that are as expected.
    pub quiet: bool,
    /// The command that runs a scenario file, up to the file's name: `verdikt run`. The report adds the file, the
    /// Cilium version if it is not the default, and the filter for one cell.
    pub command: String,
}

/// A run being shown: feed it every event, in order, and print what it answers.
#[derive(Debug)]
pub struct Terminal {
    options: Options,
    version: CiliumVersion,
    file: String,
    step: Option<StepShown>,
    /// What the summary repeats: a line for each step that is not as expected.
    remarkable: Vec<String>,
    /// How many cells' verdicts rest on which evidence.
    bases: BTreeMap<Basis, usize>,
}

/// What is known of the step that runs.
#[derive(Debug)]
struct StepShown {
    started: StepStarted,
    objects: Vec<ObjectJudged>,
    skipped: Vec<CellSkipped>,
    /// Those that are shown.
    cells: Vec<Arc<CellJudged>>,
    counts: Counts,
}

/// What is counted of a step's cells.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    cells: usize,
    differing: usize,
    inconclusive: usize,
    again: usize,
}

impl Counts {
    fn add(&mut self, cell: &CellJudged) {
        self.cells += 1;
        self.again += usize::from(cell.evidence.as_ref().is_some_and(|evidence| !evidence.again.is_empty()));
        match cell.result {
            CellResult::AsExpected => {}
            CellResult::Inconclusive => self.inconclusive += 1,
            CellResult::Differs | CellResult::DecidedByAnother | CellResult::Contradicted => {
                self.differing += 1;
            }
        }
    }
}

impl Terminal {
    /// Nothing shown yet.
    pub fn new(options: Options) -> Self {
        let version = CiliumVersion::default();
        let (remarkable, bases) = (Vec::new(), BTreeMap::new());
        Self { options, version, file: String::new(), step: None, remarkable, bases }
    }

    /// What to print after this event: whole lines, or nothing. A step is shown when it is over.
    pub fn push(&mut self, event: &Event) -> String {
        let lines = match event {
            Event::RunStarted(run) => {
                self.version = run.cilium;
                let line = format!("verdikt {}, backend {}, Cilium {}", run.verdikt, run.backend, run.cilium);
                if self.options.quiet { Vec::new() } else { vec![plain(&line)] }
            }
            Event::ScenarioStarted(scenario) => self.scenario(scenario),
            Event::ScenarioSkipped(skipped) => {
                let line = format!("{}: {}", plain(&skipped.scenario), plain(&skipped.because));
                let mut lines = step::after_word("skipped", &line, self.options.width, str::to_owned);
                if !self.options.quiet {
                    lines.insert(0, String::new());
                }
                lines
            }
            Event::ScenarioFailed(failed) => {
                self.step = None;
                let line = plain(&format!("{}: {}", failed.scenario, failed.reason));
                self.remarkable.push(format!("FAILED        {line}"));
                step::after_word("FAILED", &line, self.options.width, |word| {
                    self.paint().paint(Tone::Differs, word)
                })
            }
            Event::StepStarted(started) => {
                self.step = Some(StepShown {
                    started: started.clone(),
                    objects: Vec::new(),
                    skipped: Vec::new(),
                    cells: Vec::new(),
                    counts: Counts::default(),
                });
                Vec::new()
            }
            Event::ObjectJudged(judged) => {
                self.step.iter_mut().for_each(|step| step.objects.push(judged.clone()));
                Vec::new()
            }
            Event::CellSkipped(cell) => {
                if let Some(step) = &mut self.step {
                    step.skipped.push(cell.clone());
                }
                Vec::new()
            }
            Event::InvariantJudged(judged) => self.invariant(judged),
            Event::CellJudged(judged) => {
                if let Some(basis) = judged.basis.filter(|basis| *basis != Basis::default()) {
                    *self.bases.entry(basis).or_default() += 1;
                }
                if let Some(step) = &mut self.step {
                    step.counts.add(judged);
                    if !self.options.quiet || judged.result != CellResult::AsExpected {
                        step.cells.push(Arc::clone(judged));
                    }
                }
                Vec::new()
            }
            Event::StepFinished(_) => self.step.take().map_or_else(Vec::new, |step| self.finished(&step)),
            Event::RunFinished(run) => {
                summary::lines(run, &self.remarkable, &self.bases, self.paint(), self.options.width)
            }
        };
        lines.into_iter().map(|line| line + "\n").collect()
    }

    fn paint(&self) -> Paint {
        Paint { colour: self.options.colour }
    }

    fn scenario(&mut self, scenario: &ScenarioStarted) -> Vec<String> {
        self.file = scenario.place.file.to_string();
        if self.options.quiet {
            return Vec::new();
        }
        let paint = self.paint();
        let name = paint.paint(Tone::Heading, &plain(&scenario.scenario));
        let (title, file) = (plain(&scenario.scenario), plain(&self.file));
        let on_one_line = width(&title) + 2 + width(&file) <= self.options.width;
        let file = paint.paint(Tone::Quiet, &file);
        let mut lines = if on_one_line {
            vec![String::new(), format!("{name}  {file}")]
        } else {
            vec![String::new(), name, format!("  {file}")]
        };
        let about = wrap(&plain(&scenario.about), self.options.width.saturating_sub(2));
        lines.extend(about.into_iter().map(|line| format!("  {line}")));
        lines
    }

    /// An invariant that does not hold, with its smallest counterexample.
    fn invariant(&mut self, judged: &InvariantJudged) -> Vec<String> {
        if judged.is_as_expected() {
            return Vec::new();
        }
        let (word, tone) = if judged.is_unknown() {
            ("inconclusive", Tone::Inconclusive)
        } else {
            ("BROKEN", Tone::Differs)
        };
        let paint = self.paint();
        let place = words::place(&judged.place);
        let text = plain(&format!("{}/{}: {judged} ({place})", judged.scenario, judged.step));
        let lines = step::after_word(word, &text, self.options.width, |word| paint.paint(tone, word));
        let inside = self.options.width.saturating_sub(2);
        self.remarkable.extend(step::after_word(word, &text, inside, |word| paint.paint(tone, word)));
        if self.options.quiet { lines } else { [vec![String::new()], lines].concat() }
    }

    fn finished(&mut self, step: &StepShown) -> Vec<String> {
        let setting = Setting {
            command: &self.options.command,
            file: &self.file,
            version: self.version,
            paint: self.paint(),
            width: self.options.width,
        };
        let lines = step::lines(step, setting, self.options.quiet);
        if !step.as_expected() {
            let width = setting.width.saturating_sub(2);
            self.remarkable.extend(step::status(step, width, setting.paint));
        }
        lines
    }
}

impl StepShown {
    fn as_expected(&self) -> bool {
        self.objects.iter().all(|object| object.as_expected)
            && self.counts.differing + self.counts.inconclusive == 0
    }
}

#[cfg(test)]
mod tests;
