//! The plan of a run: which cells of which steps, with their predictions.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use verdikt_engine::in_force::InForce;
use verdikt_engine::model::{LearnedNames, PolicyModel};
use verdikt_engine::predict::StepModel;
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::topology::Endpoint;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::{Event, RunOrigin, ScenarioSkipped, ScenarioStarted};

use crate::cell::PredictedAttempt;
use crate::clock::Clock;
use crate::filter::{Filter, SelectedCell, StepCells, all_cells, name, selected};
use crate::refusals::options;

/// What to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The Cilium version.
    pub version: CiliumVersion,
    /// The filters: a cell is selected if one of them matches; all cells without any.
    pub filters: Vec<Filter>,
    /// How many scenarios run at the same time, where they need time. At least one.
    pub parallel: usize,
    /// After how long a stage of an attempt times out.
    pub timeout: Duration,
    /// The source of the times in the log.
    pub clock: Clock,
    /// The log's data about the run itself.
    pub origin: RunOrigin,
    /// Why it does not use the lab, if no backend was chosen.
    pub instead_of_lab: Option<String>,
    /// The warnings, each once.
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

/// Receives the events of a run. An error ends the run.
pub type Sink<'a> = &'a mut dyn FnMut(Event) -> io::Result<()>;

/// The names of the cells a run would evaluate, in its order.
pub fn cell_names<'a>(
    scenarios: &'a [Scenario],
    options: &'a RunOptions,
) -> impl Iterator<Item = String> + 'a {
    let applicable = scenarios.iter().filter(|scenario| scenario.cilium.contains(options.version));
    let steps = applicable.flat_map(|scenario| scenario.steps.iter().map(move |step| (scenario, step)));
    steps.flat_map(|(scenario, step)| {
        let cells = selected(scenario, step, &options.filters).into_iter();
        cells.map(move |cell| name(scenario, step, &cell))
    })
}

/// The selected cells of a scenario.
pub(crate) struct Plan<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) steps: Vec<(&'a Step, StepCells<'a>)>,
}

/// Selects the cells of a scenario, and sends the event that it starts. None if no cell is selected, or
/// if it is skipped: because it is for another version, or for the reason that `unfit` gives.
pub(crate) fn begin_scenario<'a>(
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

/// What earlier steps leave for the next one.
#[derive(Clone, Debug, Default)]
pub struct StepHistory {
    /// What the DNS proxy has learned, as the engine says.
    learned: LearnedNames,
    /// The versions of the objects that are in force.
    in_force: InForce,
    /// The attempts whose connections are kept and go through a proxy.
    proxied: BTreeSet<(Endpoint, Attempt)>,
}

impl StepHistory {
    /// The policy model of the step that follows, with these policies.
    pub(crate) fn model<'a>(
        &self,
        step: &'a Step,
        policies: &[Manifest],
        version: CiliumVersion,
    ) -> PolicyModel<'a> {
        let learned = self.learned.without(&step.expired);
        PolicyModel::after(&self.in_force, &step.topology, policies, &options(step, version), &learned)
    }
}

/// The attempts of a step whose connections the step after uses.
pub(crate) fn kept_connections(scenario: &Scenario, step: &Step) -> BTreeSet<Attempt> {
    let mut steps = scenario.steps.iter().skip_while(|other| other.name != step.name).skip(1);
    let after = steps.next().map_or(&[][..], |after| &after.table);
    let has = |attempt: &Attempt| step.table.iter().any(|row| row.attempt == *attempt);
    Attempt::kept_by(after.iter().map(|row| &row.attempt), has)
}

/// The engine's predictions for a step. All cells are predicted, selected or not: what one of them looks up may matter to
/// another.
pub(crate) struct PredictedStep<'a> {
    pub(crate) model: StepModel<'a>,
    /// The attempts that a cell of each row stands for.
    pub(crate) attempts: Vec<Vec<Attempt>>,
    /// For the step after.
    pub(crate) left: StepHistory,
}

/// Predicts a step.
pub(crate) fn predict_step<'a>(
    scenario: &Scenario,
    step: &'a Step,
    version: CiliumVersion,
    past: &StepHistory,
) -> PredictedStep<'a> {
    let first = past.model(step, &step.policies, version);
    let in_force = past.in_force.then(&step.policies, first.acceptances());
    let attempts: Vec<Vec<Attempt>> =
        step.table.iter().map(|row| row.attempt.to_each_backend(&step.topology)).collect();
    let model = first.in_step(
        all_cells(step)
            .flat_map(|cell| attempts[cell.row_index].iter().map(move |attempt| (cell.source, attempt))),
    );
    let kept = kept_connections(scenario, step);
    let proxied = all_cells(step).filter(|cell| kept.contains(&cell.row.attempt));
    let proxied = proxied.filter(|cell| model.is_proxied(cell.source, &cell.row.attempt));
    let proxied = proxied.map(|cell| (cell.source.clone(), cell.row.attempt.clone())).collect();
    let learned = model.learned().clone();
    let model = model.after_proxies(past.proxied.clone());
    PredictedStep { model, attempts, left: StepHistory { learned, in_force, proxied } }
}

impl PredictedStep<'_> {
    /// The attempts that a cell stands for, each with what the engine says of it.
    pub(crate) fn of_cell(&self, cell: &SelectedCell<'_>) -> Vec<PredictedAttempt> {
        let predict = |attempt: &Attempt| PredictedAttempt {
            attempt: attempt.clone(),
            prediction: self.model.predict(cell.source, attempt),
        };
        self.attempts[cell.row_index].iter().map(predict).collect()
    }
}
