//! A run's events gathered by scenario and step, for the reports that are one document.

use std::time::Duration;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_verdict::event::{
    CellJudged, CellSkipped, Event, ObjectJudged, RunStarted, ScenarioFailed, ScenarioSkipped,
    ScenarioStarted, StepStarted,
};
use verdikt_verdict::invariant::InvariantJudged;
use verdikt_verdict::run_result::{RunResult, Totals};

/// A run.
#[derive(Debug)]
pub(crate) struct RunTree<'a> {
    pub(crate) started: Option<&'a RunStarted>,
    pub(crate) warnings: Vec<&'a Diagnostic>,
    pub(crate) scenarios: Vec<ScenarioTree<'a>>,
    pub(crate) skipped: Vec<&'a ScenarioSkipped>,
    pub(crate) failed: Vec<&'a ScenarioFailed>,
    pub(crate) totals: Totals,
    pub(crate) result: RunResult,
    pub(crate) took: Option<Duration>,
}

/// A scenario that was evaluated.
#[derive(Debug)]
pub(crate) struct ScenarioTree<'a> {
    pub(crate) started: &'a ScenarioStarted,
    pub(crate) steps: Vec<StepTree<'a>>,
}

/// A step of it.
#[derive(Debug)]
pub(crate) struct StepTree<'a> {
    pub(crate) started: &'a StepStarted,
    pub(crate) objects: Vec<&'a ObjectJudged>,
    pub(crate) invariants: Vec<&'a InvariantJudged>,
    pub(crate) cells: Vec<&'a CellJudged>,
    pub(crate) skipped: Vec<&'a CellSkipped>,
    pub(crate) took: Option<Duration>,
}

impl<'a> RunTree<'a> {
    /// Gathers events, which may end early: the log of a run that was cut off.
    pub(crate) fn of(events: &'a [Event]) -> Self {
        let totals = Totals::of(events);
        let (mut result, mut took) = (None, None);
        let (mut started, mut scenarios) = (None, Vec::<ScenarioTree<'a>>::new());
        let (mut skipped, mut failed, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for event in events {
            let scenario = scenarios.last_mut();
            match event {
                Event::RunStarted(run) => started = Some(run),
                Event::Warned(warning) => warnings.push(warning),
                Event::ScenarioSkipped(event) => skipped.push(event),
                Event::ScenarioFailed(event) => failed.push(event),
                Event::ScenarioStarted(started) => {
                    scenarios.push(ScenarioTree { started, steps: Vec::new() });
                }
                Event::StepStarted(started) => {
                    let (objects, invariants) = (Vec::new(), Vec::new());
                    let (cells, skipped) = (Vec::new(), Vec::new());
                    let step = StepTree { started, objects, invariants, cells, skipped, took: None };
                    if let Some(scenario) = scenario {
                        scenario.steps.push(step);
                    }
                }
                Event::ObjectJudged(judged) => {
                    if let Some(step) = scenario.and_then(|scenario| scenario.steps.last_mut()) {
                        step.objects.push(judged);
                    }
                }
                Event::CellSkipped(cell) => {
                    if let Some(step) = scenario.and_then(|scenario| scenario.steps.last_mut()) {
                        step.skipped.push(cell);
                    }
                }
                Event::InvariantJudged(judged) => {
                    if let Some(step) = scenario.and_then(|scenario| scenario.steps.last_mut()) {
                        step.invariants.push(judged);
                    }
                }
                Event::CellJudged(judged) => {
                    if let Some(step) = scenario.and_then(|scenario| scenario.steps.last_mut()) {
                        step.cells.push(judged);
                    }
                }
                Event::RunFinished(run) => (result, took) = (Some(run.outcome), run.took),
                Event::StepFinished(finished) => {
                    if let Some(step) = scenario.and_then(|scenario| scenario.steps.last_mut()) {
                        step.took = finished.took;
                    }
                }
            }
        }
        let result = result.unwrap_or_else(|| RunResult::of(&totals));
        Self { started, warnings, scenarios, skipped, failed, totals, result, took }
    }
}
