//! The report for people, as the run goes: a line for each scenario, the tables of steps that are not as expected with
//! the rules behind their verdicts, and every difference explained; at the end, a line for each cell that differs.

use std::collections::BTreeMap;
use std::sync::Arc;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::plain::counted;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::CellResult;
use verdikt_verdict::event::{
    CellJudged, CellSkipped, Event, ObjectJudged, RunStarted, ScenarioFailed, ScenarioSkipped,
    ScenarioStarted, StepStarted,
};
use verdikt_verdict::evidence::Basis;
use verdikt_verdict::invariant::InvariantJudged;

use crate::difference::CellSetting;
use crate::evidence;
use crate::line;
use crate::paint::{Paint, Tone};
use crate::text::{plain, width, wrap};
use crate::words;

use self::step::after_word;

mod group;
mod step;
mod summary;

/// How a run is shown.
#[derive(Clone, Debug)]
pub struct TerminalOptions {
    /// The columns of the terminal. Places, rules and commands stay whole even where they take more.
    pub width: usize,
    /// Whether there are colours.
    pub colour: bool,
    /// How much is shown.
    pub detail: Detail,
    /// The command that runs a scenario file, up to the file's name: `verdikt run`. The report adds the file, the
    /// Cilium version if it is not the default, and the filter for one cell.
    pub command: String,
}

/// How much is shown of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What is not as expected, explained, and no table. Nothing is kept of cells that are as expected.
    Differences,
    /// A line for each scenario, and the tables of steps that are not as expected.
    Short,
    /// The table of every step.
    Tables,
}

/// A run being shown: feed it every event, in order, and print what it answers.
#[derive(Debug)]
pub struct Terminal {
    options: TerminalOptions,
    run: Option<RunStarted>,
    version: CiliumVersion,
    file: String,
    scenario: Option<ScenarioShown>,
    /// Whether the line before belongs to a step of the scenario before.
    is_below_block: bool,
    step: Option<StepShown>,
    /// What the summary repeats: a line for each step and each cell that is not as expected.
    remarkable: Vec<String>,
    warnings: Vec<Diagnostic>,
    /// How many cells' verdicts rest on which evidence.
    bases: BTreeMap<Basis, usize>,
}

/// What is known of the scenario that runs, where it has one line.
#[derive(Debug)]
struct ScenarioShown {
    name: String,
    steps: usize,
    counts: Counts,
    /// What is shown of its steps below that line.
    lines: Vec<String>,
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
    objects: usize,
    again: usize,
    skipped: usize,
}

impl Counts {
    fn are_as_expected(self) -> bool {
        self.differing + self.inconclusive + self.objects == 0
    }

    fn add_all(&mut self, other: Self) {
        let Self { cells, differing, inconclusive, objects, again, skipped } = other;
        self.cells += cells;
        self.differing += differing;
        self.inconclusive += inconclusive;
        self.objects += objects;
        self.again += again;
        self.skipped += skipped;
    }

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
    pub fn new(options: TerminalOptions) -> Self {
        Self {
            options,
            run: None,
            version: CiliumVersion::default(),
            file: String::new(),
            scenario: None,
            is_below_block: false,
            step: None,
            remarkable: Vec::new(),
            warnings: Vec::new(),
            bases: BTreeMap::new(),
        }
    }

    /// What to print after this event: whole lines, or nothing. A step is shown when it is over, and where a scenario has
    /// one line, with its scenario.
    pub fn push(&mut self, event: &Event) -> String {
        let lines = match event {
            Event::RunStarted(run) => self.run_started(run),
            Event::Warned(warning) => {
                self.warnings.push(warning.clone());
                Vec::new()
            }
            Event::ScenarioStarted(scenario) => self.scenario_started(scenario),
            Event::ScenarioSkipped(skipped) => self.scenario_skipped(skipped),
            Event::ScenarioFailed(failed) => self.scenario_failed(failed),
            Event::StepStarted(started) => {
                let (objects, skipped, cells) = (Vec::new(), Vec::new(), Vec::new());
                let (started, counts) = (started.clone(), Counts::default());
                self.step = Some(StepShown { started, objects, skipped, cells, counts });
                Vec::new()
            }
            Event::ObjectJudged(judged) => {
                if let Some(step) = &mut self.step {
                    step.counts.objects += usize::from(!judged.as_expected);
                    step.objects.push(judged.clone());
                }
                Vec::new()
            }
            Event::CellSkipped(cell) => {
                if let Some(step) = &mut self.step {
                    step.counts.skipped += 1;
                    step.skipped.push(cell.clone());
                }
                Vec::new()
            }
            Event::InvariantJudged(judged) => self.invariant(judged),
            Event::CellJudged(judged) => {
                self.cell(judged);
                Vec::new()
            }
            Event::StepFinished(_) => self.step.take().map_or_else(Vec::new, |step| self.step_over(&step)),
            Event::RunFinished(run) => {
                let mut lines = self.scenario_over();
                // Where only differences are wanted, the sums count the warnings.
                let is_short = self.options.detail == Detail::Differences;
                let end = summary::RunEnd {
                    run: self.run.as_ref(),
                    remarkable: &self.remarkable,
                    warnings: if is_short { &[] } else { &self.warnings },
                    bases: &self.bases,
                };
                lines.extend(summary::lines(run, &end, self.paint(), self.options.width));
                lines
            }
        };
        lines.into_iter().map(|line| line + "\n").collect()
    }

    fn paint(&self) -> Paint {
        Paint { colour: self.options.colour }
    }

    fn run_started(&mut self, run: &RunStarted) -> Vec<String> {
        self.version = run.cilium;
        self.run = Some(run.clone());
        let line = format!("verdikt {}, backend {}, Cilium {}", run.verdikt, run.backend, run.cilium);
        if self.options.detail == Detail::Tables { vec![plain(&line)] } else { Vec::new() }
    }

    fn scenario_skipped(&mut self, skipped: &ScenarioSkipped) -> Vec<String> {
        let mut lines = self.scenario_over();
        let line = format!("{}: {}", plain(&skipped.scenario), plain(&skipped.because));
        if self.options.detail == Detail::Tables {
            lines.push(String::new());
        }
        lines.extend(after_word("skipped", &line, self.options.width, str::to_owned));
        lines
    }

    fn scenario_failed(&mut self, failed: &ScenarioFailed) -> Vec<String> {
        self.step = None;
        let shown = self.scenario.take();
        let line = plain(&format!("{}: {}", failed.scenario, failed.reason));
        self.remarkable.push(format!("FAILED        {line}"));
        let paint = |word: &str| self.paint().paint(Tone::Differs, word);
        let mut lines = after_word("FAILED", &line, self.options.width, paint);
        lines.extend(shown.map_or_else(Vec::new, |shown| shown.lines));
        lines
    }

    fn scenario_started(&mut self, scenario: &ScenarioStarted) -> Vec<String> {
        self.file = scenario.place.file.to_string();
        if self.options.detail != Detail::Tables {
            let over = self.scenario_over();
            let (counts, lines) = (Counts::default(), Vec::new());
            self.scenario = Some(ScenarioShown { name: plain(&scenario.scenario), steps: 0, counts, lines });
            return over;
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
        let mut lines = after_word(word, &text, self.options.width, |word| paint.paint(tone, word));
        for seen in judged.evidence().map(evidence::lines).unwrap_or_default() {
            let wrapped = wrap(&seen, self.options.width.saturating_sub(4));
            lines.extend(wrapped.iter().map(|line| format!("    {line}")));
        }
        let inside = self.options.width.saturating_sub(2);
        self.remarkable.extend(after_word(word, &text, inside, |word| paint.paint(tone, word)));
        let Some(scenario) = &mut self.scenario else { return [vec![String::new()], lines].concat() };
        if judged.is_unknown() {
            scenario.counts.inconclusive += 1;
        } else {
            scenario.counts.differing += 1;
        }
        scenario.lines.push(String::new());
        scenario.lines.extend(lines);
        Vec::new()
    }

    /// The line of a scenario that has only one, and what there is to say below it.
    fn scenario_over(&mut self) -> Vec<String> {
        let Some(ScenarioShown { name, steps, counts, lines: below }) = self.scenario.take() else {
            return Vec::new();
        };
        if self.options.detail == Detail::Differences && counts.are_as_expected() {
            return Vec::new();
        }
        let title = format!("{name}: {}", counted(steps, "step"));
        let mut lines = if self.is_below_block { vec![String::new()] } else { Vec::new() };
        self.is_below_block = !below.is_empty();
        lines.extend(step::counted_line(&title, counts, self.options.width, self.paint()));
        lines.extend(below);
        lines
    }

    fn cell(&mut self, judged: &Arc<CellJudged>) {
        if let Some(basis) = judged.basis.filter(|basis| *basis != Basis::default()) {
            *self.bases.entry(basis).or_default() += 1;
        }
        if let Some(step) = &mut self.step {
            step.counts.add(judged);
            if self.options.detail != Detail::Differences || judged.result != CellResult::AsExpected {
                step.cells.push(Arc::clone(judged));
            }
        }
    }

    fn step_over(&mut self, step: &StepShown) -> Vec<String> {
        // Without the start of its scenario, a step still says where it is written.
        let written = step.started.place.file.to_string();
        let setting = CellSetting {
            command: &self.options.command,
            file: if self.file.is_empty() { &written } else { &self.file },
            version: self.version,
            paint: self.paint(),
            width: self.options.width,
        };
        let is_as_expected = step.counts.are_as_expected();
        let is_shown = self.options.detail == Detail::Tables || !is_as_expected;
        let lines = if is_shown { step::lines(step, setting, self.options.detail) } else { Vec::new() };
        if !is_as_expected {
            let width = setting.width.saturating_sub(2);
            self.remarkable.extend(step::status(step, width, setting.paint));
            let differing = step.cells.iter().filter(|cell| cell.result != CellResult::AsExpected);
            for line in line::cells(differing.map(Arc::as_ref)) {
                let wrapped = wrap(&line, width.saturating_sub(4)).into_iter().enumerate();
                let indent = |at| if at == 0 { "  " } else { "    " };
                self.remarkable.extend(wrapped.map(|(at, line)| format!("{}{line}", indent(at))));
            }
        }
        match &mut self.scenario {
            Some(scenario) => {
                scenario.steps += 1;
                scenario.counts.add_all(step.counts);
                scenario.lines.extend(lines);
                Vec::new()
            }
            None => lines,
        }
    }
}

#[cfg(test)]
mod tests;
