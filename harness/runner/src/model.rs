//! The `model` backend: the engine alone; its predictions are the verdicts.

use std::io;

use verdikt_engine::cluster::{Cluster, Learned};
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::prediction::Prediction;
use verdikt_scenario::scenario::{Row, Scenario, Step};
use verdikt_scenario::topology::Endpoint;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::{Verdict, compare};
use verdikt_verdict::event::{
    CellJudged, Event, FORMAT, ObjectJudged, Refusal, RunFinished, RunStarted, ScenarioSkipped,
    ScenarioStarted, StepFinished, StepStarted,
};
use verdikt_verdict::outcome::{Outcome, Totals};

use crate::filter::{CellName, Filter};
use crate::rejections::{agrees, options};

/// The name of the backend in reports.
pub const NAME: &str = "model";

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The Cilium version.
    pub version: CiliumVersion,
    /// Cells are wanted that one of these wants; all, if there is none.
    pub filters: Vec<Filter>,
}

/// Where the events of a run go. An error ends the run.
pub type Sink<'a> = &'a mut dyn FnMut(Event) -> io::Result<()>;

/// The names of the cells a run would evaluate, in its order.
pub fn cells(scenarios: &[Scenario], options: &RunOptions) -> Vec<CellName> {
    let applicable = scenarios.iter().filter(|scenario| scenario.cilium.contains(options.version));
    let steps = applicable.flat_map(|scenario| scenario.steps.iter().map(move |step| (scenario, step)));
    steps
        .flat_map(|(scenario, step)| wanted(scenario, step, options).into_iter().map(|cell| cell.name))
        .collect()
}

/// A cell to evaluate.
struct WantedCell<'a> {
    name: CellName,
    /// Its place among all cells of the step.
    index: usize,
    row: &'a Row,
    source: &'a Endpoint,
}

fn wanted<'a>(scenario: &Scenario, step: &'a Step, options: &RunOptions) -> Vec<WantedCell<'a>> {
    let cells = all_cells(step).enumerate().map(|(index, (row, source))| {
        let name = CellName::new(scenario, step, &row.attempt, source);
        WantedCell { name, index, row, source }
    });
    let mut cells: Vec<WantedCell<'a>> = cells.collect();
    if !options.filters.is_empty() {
        // The full name of a cell means this cell, and not those whose names go on.
        let names: Vec<CellName> = cells.iter().map(|cell| cell.name.clone()).collect();
        let wants = |filter: &Filter, name: &CellName| {
            filter.is(name) || filter.wants(name) && !names.iter().any(|other| filter.is(other))
        };
        cells.retain(|cell| options.filters.iter().any(|filter| wants(filter, &cell.name)));
    }
    cells
}

fn all_cells(step: &Step) -> impl Iterator<Item = (&Row, &Endpoint)> {
    step.table.iter().flat_map(|row| row.cells.iter().map(move |(source, _)| (row, source)))
}

/// Evaluates scenarios.
pub fn run(scenarios: &[Scenario], options: &RunOptions, sink: Sink<'_>) -> io::Result<Outcome> {
    let mut totals = Totals::default();
    let mut tell = |event: Event| {
        totals.add(&event);
        sink(event)
    };
    tell(Event::RunStarted(RunStarted {
        format: FORMAT,
        verdikt: env!("CARGO_PKG_VERSION").to_owned(),
        backend: NAME.to_owned(),
        cilium: options.version,
    }))?;
    for scenario in scenarios {
        run_scenario(scenario, options, &mut tell)?;
    }
    let outcome = Outcome::of(&totals);
    sink(Event::RunFinished(RunFinished { totals, outcome }))?;
    Ok(outcome)
}

fn run_scenario(scenario: &Scenario, options: &RunOptions, sink: Sink<'_>) -> io::Result<()> {
    let steps: Vec<_> = scenario.steps.iter().map(|step| (step, wanted(scenario, step, options))).collect();
    if steps.iter().all(|(_, cells)| cells.is_empty()) {
        return Ok(());
    }
    let (name, place) = (scenario.name.clone(), scenario.place.clone());
    if !scenario.cilium.contains(options.version) {
        let because =
            format!("it holds for Cilium {}, and this run is for {}", scenario.cilium, options.version);
        return sink(Event::ScenarioSkipped(ScenarioSkipped { scenario: name, place, because }));
    }
    sink(Event::ScenarioStarted(ScenarioStarted { scenario: name, about: scenario.about.clone(), place }))?;
    let mut learned = Learned::default();
    for (step, cells) in steps {
        learned = run_step(scenario, step, &cells, options, &learned, sink)?;
    }
    Ok(())
}

/// Evaluates the wanted cells of a step; answers what the DNS proxy knows afterwards. All cells are predicted,
/// wanted or not: what one of them looks up may matter to another.
fn run_step(
    scenario: &Scenario,
    step: &Step,
    cells: &[WantedCell<'_>],
    run: &RunOptions,
    learned: &Learned,
    sink: Sink<'_>,
) -> io::Result<Learned> {
    let cluster = Cluster::new(&step.topology, &step.policies, &options(step, run.version), learned);
    let attempts: Vec<(Endpoint, Attempt)> =
        all_cells(step).map(|(row, source)| (source.clone(), row.attempt.clone())).collect();
    let predicted = cluster.predict_step(&attempts);
    if cells.is_empty() {
        return Ok(predicted.learned);
    }
    let (scenario_name, step_name) = (scenario.name.clone(), step.name.clone());
    sink(Event::StepStarted(StepStarted {
        scenario: scenario_name.clone(),
        step: step_name.clone(),
        place: step.place.clone(),
    }))?;
    for judged in objects(scenario, step, &cluster, run.version) {
        sink(Event::ObjectJudged(judged))?;
    }
    for cell in cells {
        let prediction = predicted.predictions[cell.index].clone();
        let Some((expectation, because)) = step.expectation(cell.row, cell.source, run.version) else {
            continue;
        };
        let verdict = Verdict::of_prediction(&prediction);
        let result = compare(&expectation.expected, &verdict, &prediction);
        sink(Event::CellJudged(Box::new(CellJudged {
            scenario: scenario_name.clone(),
            step: step_name.clone(),
            attempt: cell.row.attempt.clone(),
            source: cell.source.clone(),
            expected: expectation.expected.clone(),
            place: expectation.place.clone(),
            because: because.map(str::to_owned),
            prediction,
            verdict,
            result,
        })))?;
    }
    sink(Event::StepFinished(StepFinished { scenario: scenario_name, step: step_name }))?;
    Ok(predicted.learned)
}

fn objects(
    scenario: &Scenario,
    step: &Step,
    cluster: &Cluster<'_>,
    version: CiliumVersion,
) -> Vec<ObjectJudged> {
    let rejections = step.rejections(version);
    let judged =
        step.policies.iter().zip(cluster.judgements()).enumerate().map(|(index, (manifest, judgement))| {
            let expected = rejections.iter().find(|rejection| rejection.policy == index);
            let refused = judgement.refused();
            ObjectJudged {
                scenario: scenario.name.clone(),
                step: step.name.clone(),
                object: manifest.object(),
                place: manifest.place(refused.map_or(manifest.root.position, |refused| refused.position)),
                expected: expected
                    .map(|expected| Refusal { by: expected.by, message: expected.saying.clone() }),
                refused: refused.map(|refused| Refusal { by: refused.by, message: refused.message.clone() }),
                as_expected: agrees(expected, refused),
            }
        });
    judged.collect()
}

/// What becomes of attempts in one step, each by itself, with what the DNS proxy has learned in the steps before.
/// `policies` replace those of the step.
pub fn predict(
    scenario: &Scenario,
    step: usize,
    policies: Option<&[Manifest]>,
    attempts: &[(Endpoint, Attempt)],
    version: CiliumVersion,
) -> Vec<Prediction> {
    let (before, from_here) = scenario.steps.split_at(step);
    let Some(step) = from_here.first() else { return Vec::new() };
    let learned = before.iter().fold(Learned::default(), |learned, step| {
        let cells: Vec<_> =
            all_cells(step).map(|(row, source)| (source.clone(), row.attempt.clone())).collect();
        Cluster::new(&step.topology, &step.policies, &options(step, version), &learned)
            .predict_step(&cells)
            .learned
    });
    let policies = policies.unwrap_or(&step.policies);
    let cluster = Cluster::new(&step.topology, policies, &options(step, version), &learned);
    attempts.iter().map(|(source, attempt)| cluster.predict(source, attempt)).collect()
}
