//! The `model` backend: the engine alone; its predictions are the verdicts.

use std::io;

use verdikt_engine::cluster::{Cluster, Learned};
use verdikt_engine::in_force::InForce;
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::prediction::Prediction;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::topology::Endpoint;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::{Event, FORMAT, RunFinished, RunStarted};
use verdikt_verdict::outcome::{Outcome, Totals};

use crate::plan::{RunOptions, Sink, begin, begin_step, end_step, predict_step};
use crate::rejections::options;

/// The name of the backend in reports.
pub const NAME: &str = "model";

/// Evaluates scenarios.
pub fn run(scenarios: &[Scenario], options: &RunOptions, sink: Sink<'_>) -> io::Result<Outcome> {
    let mut totals = Totals::default();
    let mut tell = |event: Event| {
        totals.add(&event);
        sink(event)
    };
    tell(started(NAME, options.version))?;
    for scenario in scenarios {
        run_scenario(scenario, options, &mut tell)?;
    }
    let outcome = Outcome::of(&totals);
    sink(Event::RunFinished(RunFinished { totals, outcome }))?;
    Ok(outcome)
}

/// The first event of a run.
pub(crate) fn started(backend: &str, version: CiliumVersion) -> Event {
    Event::RunStarted(RunStarted {
        format: FORMAT,
        verdikt: env!("CARGO_PKG_VERSION").to_owned(),
        backend: backend.to_owned(),
        cilium: version,
    })
}

fn run_scenario(scenario: &Scenario, options: &RunOptions, sink: Sink<'_>) -> io::Result<()> {
    let Some(plan) = begin(scenario, options, sink)? else { return Ok(()) };
    let (mut learned, mut in_force) = (Learned::default(), InForce::default());
    for (step, cells) in plan.steps {
        let asked = predict_step(step, options.version, &learned, &in_force);
        if !cells.is_empty() {
            begin_step(scenario, step, &asked.cluster, options.version, sink)?;
            end_step(scenario, step, &cells, &asked.predicted, None, options.version, sink)?;
        }
        (learned, in_force) = (asked.predicted.learned, asked.in_force);
    }
    Ok(())
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
    let start = (Learned::default(), InForce::default());
    let (learned, in_force) = before.iter().fold(start, |(learned, in_force), step| {
        let asked = predict_step(step, version, &learned, &in_force);
        (asked.predicted.learned, asked.in_force)
    });
    let policies = policies.unwrap_or(&step.policies);
    let cluster = Cluster::after(&in_force, &step.topology, policies, &options(step, version), &learned);
    attempts.iter().map(|(source, attempt)| cluster.predict(source, attempt)).collect()
}
