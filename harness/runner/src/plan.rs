//! What a run has to do: which cells of which steps, and what its objects come to.

use std::io;
use std::time::Duration;

use verdikt_engine::cluster::{Cluster, Learned};
use verdikt_engine::in_force::InForce;
use verdikt_engine::judgement::Refused;
use verdikt_engine::predict::StepPredictions;
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::policy::{Manifest, Refuser};
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::topology::Endpoint;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::{
    CellJudged, Event, ObjectJudged, Refusal, ScenarioSkipped, ScenarioStarted, StepFinished, StepStarted,
};

use crate::backend::Applied;
use crate::cell::{Judged, Observed, PredictedAttempt, judge_cell};
use crate::filter::{Filter, WantedCell, all_cells, name, wanted};
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
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            version: CiliumVersion::default(),
            filters: Vec::new(),
            parallel: 4,
            timeout: Duration::from_secs(3),
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
    pub(crate) steps: Vec<(&'a Step, Vec<WantedCell<'a>>)>,
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
        scenario.steps.iter().map(|step| (step, wanted(scenario, step, &options.filters))).collect();
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
pub struct Past {
    /// What the DNS proxy has learned, as the engine says.
    learned: Learned,
    /// The versions of the objects that are in force.
    in_force: InForce,
}

impl Past {
    /// The cluster of the step that follows, with these policies.
    pub(crate) fn cluster<'a>(
        &self,
        step: &'a Step,
        policies: &'a [Manifest],
        version: CiliumVersion,
    ) -> Cluster<'a> {
        Cluster::after(&self.in_force, &step.topology, policies, &options(step, version), &self.learned)
    }
}

/// What the engine says of a step. All cells are predicted, wanted or not: what one of them looks up may matter to
/// another.
pub(crate) struct PredictedStep<'a> {
    pub(crate) cluster: Cluster<'a>,
    /// The attempts of each cell.
    pub(crate) predictions: Vec<Vec<PredictedAttempt>>,
    /// For the step after.
    pub(crate) left: Past,
}

/// Asks the engine about a step.
pub(crate) fn predict_step<'a>(step: &'a Step, version: CiliumVersion, past: &Past) -> PredictedStep<'a> {
    let cluster = past.cluster(step, &step.policies, version);
    let of_cells: Vec<Vec<Attempt>> =
        all_cells(step).map(|cell| cell.row.attempt.to_each_backend(&step.topology)).collect();
    let cells = all_cells(step).zip(&of_cells);
    let attempts: Vec<(Endpoint, Attempt)> = cells
        .flat_map(|(cell, attempts)| {
            attempts.iter().map(move |attempt| (cell.source.clone(), attempt.clone()))
        })
        .collect();
    let StepPredictions { predictions, learned } = cluster.predict_step(&attempts);
    let mut predictions = predictions.into_iter();
    let predictions = of_cells
        .into_iter()
        .map(|attempts| {
            let attempts = attempts.into_iter().zip(predictions.by_ref());
            attempts.map(|(attempt, prediction)| PredictedAttempt { attempt, prediction }).collect()
        })
        .collect();
    let in_force = past.in_force.then(&step.policies, cluster.judgements());
    PredictedStep { cluster, predictions, left: Past { learned, in_force } }
}

/// Begins a step, and tells what became of its objects.
pub(crate) fn begin_step(
    scenario: &Scenario,
    step: &Step,
    cluster: &Cluster<'_>,
    applied: &Applied,
    version: CiliumVersion,
    sink: Sink<'_>,
) -> io::Result<()> {
    sink(Event::StepStarted(StepStarted {
        scenario: scenario.name.clone(),
        step: step.name.clone(),
        place: step.place.clone(),
        settled: applied.settled,
    }))?;
    objects(scenario, step, cluster, applied, version)
        .into_iter()
        .try_for_each(|judged| sink(Event::ObjectJudged(judged)))
}

/// Tells the verdicts of a step's cells, from what was observed or, where nothing was, from the predictions; and ends
/// the step.
pub(crate) fn end_step(
    scenario: &Scenario,
    step: &Step,
    cells: &[WantedCell<'_>],
    predictions: &[Vec<PredictedAttempt>],
    observed: &Observed,
    version: CiliumVersion,
    sink: Sink<'_>,
) -> io::Result<()> {
    let replaced = step.replaced_cells(version);
    for cell in cells {
        let (expectation, difference) = match replaced.get(&(&cell.row.attempt, cell.source)) {
            Some((expectation, difference)) => (*expectation, Some(*difference)),
            None => (cell.expectation, None),
        };
        let judged = judge_cell(&expectation.expected, &predictions[cell.index], observed, cell.index);
        let Some(Judged { via, prediction, evidence, basis, verdict, result }) = judged else { continue };
        sink(Event::CellJudged(Box::new(CellJudged {
            scenario: scenario.name.clone(),
            step: step.name.clone(),
            attempt: cell.row.attempt.clone(),
            source: cell.source.clone(),
            via,
            expected: expectation.expected.clone(),
            place: expectation.place.clone(),
            because: difference.map(ToString::to_string),
            prediction,
            evidence,
            basis,
            verdict,
            result,
        })))?;
    }
    let (scenario, step) = (scenario.name.clone(), step.name.clone());
    sink(Event::StepFinished(StepFinished { scenario, step }))
}

fn objects(
    scenario: &Scenario,
    step: &Step,
    cluster: &Cluster<'_>,
    applied: &Applied,
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

fn refusal(by: Refuser, message: &str) -> Refusal {
    Refusal { by, message: message.to_owned() }
}
