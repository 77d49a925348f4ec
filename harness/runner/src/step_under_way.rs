//! A step under way: sends the events of its start and end, and judges its cells, objects and invariants between them.

use std::io;
use std::sync::Arc;

use verdikt_engine::acceptance::Refused;
use verdikt_engine::model::PolicyModel;
use verdikt_scenario::policy::Refuser;
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::{
    CellJudged, CellSkipped, Event, ObjectJudged, ObjectRefusal, StepFinished, StepStarted,
};
use verdikt_verdict::invariant::InvariantJudged;

use crate::backend::AppliedStep;
use crate::cell::{JudgedCell, ObservedStep, judge_cell};
use crate::clock::Stopwatch;
use crate::filter::{SelectedCell, SkippedCell};
use crate::invariants;
use crate::plan::{PredictedStep, Sink};
use crate::refusals::{agrees, disagreement};

/// A step under way, with its start and version of Cilium.
#[derive(Clone, Copy)]
pub(crate) struct StepUnderWay<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) step: &'a Step,
    pub(crate) version: CiliumVersion,
    pub(crate) began: Stopwatch,
}

impl StepUnderWay<'_> {
    /// Reports the start of the step, the result of its objects, and the cells that are skipped.
    pub(crate) fn begin(
        &self,
        skipped: &[SkippedCell<'_>],
        model: &PolicyModel<'_>,
        applied: &AppliedStep,
        sink: Sink<'_>,
    ) -> io::Result<()> {
        let Self { scenario, step, version, began } = *self;
        sink(Event::StepStarted(StepStarted {
            scenario: scenario.name.clone(),
            step: step.name.clone(),
            place: step.place.clone(),
            sources: step.sources.clone(),
            started: began.at(),
            settled: applied.settled,
        }))?;
        objects(scenario, step, model, applied, version)
            .into_iter()
            .try_for_each(|judged| sink(Event::ObjectJudged(judged)))?;
        skipped.iter().try_for_each(|cell| {
            sink(Event::CellSkipped(CellSkipped {
                scenario: scenario.name.clone(),
                step: step.name.clone(),
                attempt: cell.row.attempt.clone(),
                source: cell.source.clone(),
                expected: cell.expectation.expected.clone(),
                place: cell.expectation.place.clone(),
                because: cell.because.to_string(),
            }))
        })?;
        invariants::judged(scenario, step, model)
            .try_for_each(|judged| sink(Event::InvariantJudged(Box::new(judged))))
    }

    /// Reports the verdicts of the step's cells one by one, from what was observed or, where nothing was, from the
    /// predictions; then what was attempted of its invariants; and ends the step.
    pub(crate) fn end(
        &self,
        cells: &[SelectedCell<'_>],
        predicted: &PredictedStep<'_>,
        observed: &ObservedStep,
        invariants: Vec<InvariantJudged>,
        sink: Sink<'_>,
    ) -> io::Result<()> {
        let Self { scenario, step, version, began } = *self;
        let replaced = step.replaced_cells(version);
        let names: (Arc<str>, Arc<str>) = (scenario.name.as_str().into(), step.name.as_str().into());
        let mut row_before = None;
        for cell in cells {
            let (expectation, difference) = match replaced.get(&(&cell.row.attempt, cell.source)) {
                Some((expectation, difference)) => (*expectation, Some(*difference)),
                None => (cell.expectation, None),
            };
            let judged = judge_cell(&expectation.expected, predicted.of_cell(cell), observed, cell.index);
            let Some(JudgedCell { via, prediction, evidence, basis, verdict, result }) = judged else {
                continue;
            };
            // The cells of a row stand side by side, and share its attempt.
            let attempt = match &row_before {
                Some((row, attempt)) if std::ptr::eq(*row, cell.row) => Arc::clone(attempt),
                _ => Arc::clone(&row_before.insert((cell.row, Arc::new(cell.row.attempt.clone()))).1),
            };
            sink(Event::CellJudged(Arc::new(CellJudged {
                scenario: Arc::clone(&names.0),
                step: Arc::clone(&names.1),
                attempt,
                source: cell.source.clone(),
                via: via.map(Box::new),
                expected: expectation.expected.clone(),
                place: expectation.place.clone(),
                because: difference.map(|difference| difference.to_string().into()),
                prediction,
                evidence,
                basis,
                verdict,
                result,
            })))?;
        }
        invariants.into_iter().try_for_each(|judged| sink(Event::InvariantJudged(Box::new(judged))))?;
        let (scenario, step, took) = (scenario.name.clone(), step.name.clone(), began.took());
        sink(Event::StepFinished(StepFinished { scenario, step, took }))
    }
}

fn objects(
    scenario: &Scenario,
    step: &Step,
    model: &PolicyModel<'_>,
    applied: &AppliedStep,
    version: CiliumVersion,
) -> Vec<ObjectJudged> {
    let refusals = step.refusals(version);
    let judged =
        step.policies.iter().zip(model.acceptances()).enumerate().map(|(index, (manifest, acceptance))| {
            let expected = refusals.iter().find(|refusal| refusal.policy == index);
            let predicted = acceptance.refused();
            let of_engine = |refused: &Refused| refusal(refused.by, &refused.message);
            let (refused, disagreement) = match &applied.refused {
                None => (predicted.map(of_engine), None),
                Some(seen) => {
                    let seen = seen.get(&index);
                    // What leaves no sign at the object is for the cells to show.
                    let unseen = || predicted.filter(|predicted| predicted.hidden).map(of_engine);
                    (seen.cloned().or_else(unseen), disagreement(seen, predicted))
                }
            };
            ObjectJudged {
                scenario: scenario.name.clone(),
                step: step.name.clone(),
                object: manifest.object(),
                place: manifest.place(predicted.map_or(manifest.root.position, |refused| refused.position)),
                as_expected: agrees(expected, refused.as_ref()) && disagreement.is_none(),
                expected: expected.map(|expected| refusal(expected.by, &expected.saying)),
                refused,
                disagreement,
            }
        });
    judged.collect()
}

fn refusal(by: Refuser, message: &str) -> ObjectRefusal {
    ObjectRefusal { by, message: message.to_owned() }
}
