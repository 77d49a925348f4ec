//! What a run has to do: which cells of which steps, and what its objects come to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use verdikt_engine::in_force::InForce;
use verdikt_engine::judgement::Refused;
use verdikt_engine::model::{Learned, PolicyModel};
use verdikt_engine::predict::StepModel;
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::{Manifest, Refuser};
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::{
    CellJudged, CellSkipped, Event, ObjectJudged, RejectedObject, RunOrigin, ScenarioSkipped,
    ScenarioStarted, StepFinished, StepStarted,
};
use verdikt_verdict::invariant::InvariantJudged;

use crate::backend::AppliedStep;
use crate::cell::{JudgedCell, ObservedStep, PredictedAttempt, judge_cell};
use crate::clock::{Began, Clock};
use crate::filter::{Filter, SkippedCell, StepCells, WantedCell, all_cells, name, wanted};
use crate::invariants;
use crate::rejections::{agrees, disagreement, options};

/// What to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The Cilium version.
    pub version: CiliumVersion,
    /// Cells are wanted that one of these wants; all, if there is none.
    pub filters: Vec<Filter>,
    /// How many scenarios run at the same time, where they need time. At least one.
    pub parallel: usize,
    /// After how long a stage of an attempt times out.
    pub timeout: Duration,
    /// What tells the times of the log.
    pub clock: Clock,
    /// What the log says of the run itself.
    pub origin: RunOrigin,
    /// Why it does not take place in the lab, where nobody chose another backend.
    pub instead_of_lab: Option<String>,
    /// What to warn of, once each.
    pub warnings: Vec<Diagnostic>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            version: CiliumVersion::default(),
            filters: Vec::new(),
            parallel: 4,
            timeout: Duration::from_secs(3),
            clock: Clock::None,
            origin: RunOrigin::default(),
            instead_of_lab: None,
            warnings: Vec::new(),
        }
    }
}

/// Where the events of a run go. An error ends the run.
pub type Sink<'a> = &'a mut dyn FnMut(Event) -> io::Result<()>;

/// The names of the cells a run would evaluate, in its order.
pub fn cell_names<'a>(
    scenarios: &'a [Scenario],
    options: &'a RunOptions,
) -> impl Iterator<Item = String> + 'a {
    let applicable = scenarios.iter().filter(|scenario| scenario.cilium.contains(options.version));
    let steps = applicable.flat_map(|scenario| scenario.steps.iter().map(move |step| (scenario, step)));
    steps.flat_map(|(scenario, step)| {
        let cells = wanted(scenario, step, &options.filters).into_iter();
        cells.map(move |cell| name(scenario, step, &cell))
    })
}

/// A scenario whose cells are wanted, ready to begin.
pub(crate) struct Plan<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) steps: Vec<(&'a Step, StepCells<'a>)>,
}

/// Begins a scenario: none if nothing of it is wanted, or it does not hold for the version, or `unfit` says why it
/// cannot be run.
pub(crate) fn begin<'a>(
    scenario: &'a Scenario,
    options: &RunOptions,
    unfit: impl Fn(&Scenario) -> Option<String>,
    sink: Sink<'_>,
) -> io::Result<Option<Plan<'a>>> {
    let steps: Vec<_> =
        scenario.steps.iter().map(|step| (step, StepCells::of(scenario, step, &options.filters))).collect();
    if steps.iter().all(|(_, cells)| cells.is_empty()) {
        return Ok(None);
    }
    let (name, place) = (scenario.name.clone(), scenario.place.clone());
    let because = if scenario.cilium.contains(options.version) {
        unfit(scenario)
    } else {
        Some(format!("it holds for Cilium {}, and this run is for {}", scenario.cilium, options.version))
    };
    if let Some(because) = because {
        sink(Event::ScenarioSkipped(ScenarioSkipped { scenario: name, place, because }))?;
        return Ok(None);
    }
    sink(Event::ScenarioStarted(ScenarioStarted { scenario: name, about: scenario.about.clone(), place }))?;
    Ok(Some(Plan { scenario, steps }))
}

/// What the steps before one have left behind.
#[derive(Clone, Debug, Default)]
pub struct StepHistory {
    /// What the DNS proxy has learned, as the engine says.
    learned: Learned,
    /// The versions of the objects that are in force.
    in_force: InForce,
}

impl StepHistory {
    /// The cluster of the step that follows, with these policies.
    pub(crate) fn cluster<'a>(
        &self,
        step: &'a Step,
        policies: &[Manifest],
        version: CiliumVersion,
    ) -> PolicyModel<'a> {
        let learned = self.learned.without(&step.expired);
        PolicyModel::after(&self.in_force, &step.topology, policies, &options(step, version), &learned)
    }
}

/// What the engine says of a step. All cells are predicted, wanted or not: what one of them looks up may matter to
/// another.
pub(crate) struct PredictedStep<'a> {
    pub(crate) model: StepModel<'a>,
    /// The attempts that a cell of each row stands for.
    pub(crate) attempts: Vec<Vec<Attempt>>,
    /// For the step after.
    pub(crate) left: StepHistory,
}

/// Asks the engine about a step.
pub(crate) fn predict_step<'a>(
    step: &'a Step,
    version: CiliumVersion,
    past: &StepHistory,
) -> PredictedStep<'a> {
    let cluster = past.cluster(step, &step.policies, version);
    let in_force = past.in_force.then(&step.policies, cluster.judgements());
    let attempts: Vec<Vec<Attempt>> =
        step.table.iter().map(|row| row.attempt.to_each_backend(&step.topology)).collect();
    let model = cluster.in_step(
        all_cells(step)
            .flat_map(|cell| attempts[cell.row_index].iter().map(move |attempt| (cell.source, attempt))),
    );
    let learned = model.learned().clone();
    PredictedStep { model, attempts, left: StepHistory { learned, in_force } }
}

impl PredictedStep<'_> {
    /// The attempts that a cell stands for, each with what the engine says of it.
    fn of_cell(&self, cell: &WantedCell<'_>) -> Vec<PredictedAttempt> {
        let predict = |attempt: &Attempt| PredictedAttempt {
            attempt: attempt.clone(),
            prediction: self.model.predict(cell.source, attempt),
        };
        self.attempts[cell.row_index].iter().map(predict).collect()
    }
}

/// A step under way, and who is told of it.
#[derive(Clone, Copy)]
pub(crate) struct StepUnderWay<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) step: &'a Step,
    pub(crate) version: CiliumVersion,
    pub(crate) began: Began,
}

impl StepUnderWay<'_> {
    /// Tells that the step begins, what became of its objects, and which cells are left out.
    pub(crate) fn begin(
        &self,
        skipped: &[SkippedCell<'_>],
        cluster: &PolicyModel<'_>,
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
        objects(scenario, step, cluster, applied, version)
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
        invariants::judged(scenario, step, cluster)
            .try_for_each(|judged| sink(Event::InvariantJudged(Box::new(judged))))
    }

    /// Tells the verdicts of the step's cells one by one, from what was observed or, where nothing was, from the
    /// predictions; then what was attempted of its invariants; and ends the step.
    pub(crate) fn end(
        &self,
        cells: &[WantedCell<'_>],
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
    cluster: &PolicyModel<'_>,
    applied: &AppliedStep,
    version: CiliumVersion,
) -> Vec<ObjectJudged> {
    let rejections = step.rejections(version);
    let judged =
        step.policies.iter().zip(cluster.judgements()).enumerate().map(|(index, (manifest, judgement))| {
            let expected = rejections.iter().find(|rejection| rejection.policy == index);
            let predicted = judgement.refused();
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

fn refusal(by: Refuser, message: &str) -> RejectedObject {
    RejectedObject { by, message: message.to_owned() }
}
