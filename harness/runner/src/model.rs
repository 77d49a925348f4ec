//! The `model` backend: the engine alone; its predictions are the verdicts.

use std::io;

use tracing::{info, info_span};
use verdikt_engine::model::PolicyModel;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::{Event, FORMAT, RunFinished, RunStarted};
use verdikt_verdict::run_result::{RunResult, Totals};

use crate::backend::AppliedStep;
use crate::cell::ObservedStep;
use crate::plan::{RunOptions, Sink, StepHistory, begin_scenario, predict_step};
use crate::step_under_way::StepUnderWay;

/// The name of the backend in reports.
pub const NAME: &str = "model";

/// Evaluates scenarios.
pub fn run(scenarios: &[Scenario], options: &RunOptions, sink: Sink<'_>) -> io::Result<RunResult> {
    run_until(scenarios, options, &|| false, sink)
}

/// Evaluates scenarios until `stop` asks for the end; the results so far are reported.
pub fn run_until(
    scenarios: &[Scenario],
    options: &RunOptions,
    stop: &dyn Fn() -> bool,
    sink: Sink<'_>,
) -> io::Result<RunResult> {
    let began = options.clock.begin();
    let mut totals = Totals::default();
    begin_run(NAME, options, &mut |event| {
        totals.add(&event);
        sink(event)
    })?;
    let mut stopped = false;
    let mut tell = |event: Event| {
        stopped |= stop();
        if stopped {
            return Err(io::ErrorKind::Interrupted.into());
        }
        totals.add(&event);
        sink(event)
    };
    let mut ran = Ok(());
    for scenario in scenarios {
        ran = ran.and_then(|()| run_scenario(scenario, options, &mut tell));
    }
    if !stopped {
        ran?;
    }
    let outcome = if stopped { RunResult::Interrupted } else { RunResult::of(&totals) };
    sink(Event::RunFinished(RunFinished { totals, outcome, took: began.took() }))?;
    Ok(outcome)
}

/// Reports the start of a run and its warnings.
pub(crate) fn begin_run(backend: &str, options: &RunOptions, sink: Sink<'_>) -> io::Result<()> {
    sink(Event::RunStarted(RunStarted {
        format: FORMAT,
        verdikt: env!("CARGO_PKG_VERSION").to_owned(),
        backend: backend.to_owned(),
        instead_of_lab: options.instead_of_lab.clone(),
        cilium: options.version,
        origin: options.origin.clone(),
    }))?;
    options.warnings.iter().cloned().try_for_each(|warning| sink(Event::Warned(warning)))
}

fn run_scenario(scenario: &Scenario, options: &RunOptions, sink: Sink<'_>) -> io::Result<()> {
    let _scenario = info_span!("scenario", scenario = %scenario.name).entered();
    let Some(plan) = begin_scenario(scenario, options, |_| None, sink)? else { return Ok(()) };
    let mut past = StepHistory::default();
    for (step, cells) in plan.steps {
        let this = StepUnderWay { scenario, step, version: options.version, began: options.clock.begin() };
        let _step = info_span!("step", step = %step.name).entered();
        let predicted = predict_step(scenario, step, options.version, &past);
        info!(policies = step.policies.len(), cells = cells.selected.len(), "the step is predicted");
        if !cells.is_empty() {
            this.begin(&cells.skipped, predicted.model.first(), &AppliedStep::default(), sink)?;
            this.end(&cells.selected, &predicted, &ObservedStep::Nothing, Vec::new(), sink)?;
        }
        past = predicted.left;
    }
    Ok(())
}

/// The policies in force at the beginning of a step, with what the DNS proxy has learned in the steps before; none if
/// there is no such step. `policies` replace those of the step.
pub fn model_of_step<'a>(
    scenario: &'a Scenario,
    step: usize,
    policies: Option<&[Manifest]>,
    version: CiliumVersion,
) -> Option<PolicyModel<'a>> {
    let (before, from_here) = scenario.steps.split_at_checked(step)?;
    let step = from_here.first()?;
    let left = |past, step| predict_step(scenario, step, version, &past).left;
    let past = before.iter().fold(StepHistory::default(), left);
    Some(past.model(step, policies.unwrap_or(&step.policies), version))
}
