//! A run over a backend: apply, attempt, collect, fuse, compare, step by step; several scenarios side by side.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::io;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use verdikt_engine::cluster::Learned;
use verdikt_engine::in_force::InForce;
use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::event::{Event, RunFinished, ScenarioFailed};
use verdikt_verdict::evidence::Evidence;
use verdikt_verdict::outcome::{Outcome, Totals};

use crate::attempts::Wave;
use crate::backend::{AttemptNumber, Backend, BackendError};
use crate::model::started;
use crate::plan::{Plan, RunOptions, Sink, all_cells, begin, begin_step, end_step, predict_step};

/// How many stages an attempt has at most, each with its own timeout: two look-ups, a connection, a request.
const STAGES: u32 = 4;

/// Runs scenarios over backends that `open` makes, one for each scenario. Events come in the order of the
/// scenarios, those of the first unfinished one as they happen. When `stop` ends, so does the run, with what is
/// known so far.
pub async fn run_on<B: Backend>(
    name: &str,
    scenarios: &[Scenario],
    options: &RunOptions,
    open: impl AsyncFn() -> Result<B, BackendError>,
    stop: impl Future<Output = ()>,
    sink: Sink<'_>,
) -> io::Result<Outcome> {
    let mut totals = Totals::default();
    let mut tell = |event: Event| {
        totals.add(&event);
        sink(event)
    };
    tell(started(name, options.version))?;
    let interrupted = {
        let mut waiting = scenarios.iter();
        let mut running = FuturesUnordered::new();
        let mut queues: VecDeque<mpsc::UnboundedReceiver<Event>> = VecDeque::new();
        tokio::pin!(stop);
        loop {
            while running.len() < options.parallel.max(1)
                && let Some(scenario) = waiting.next()
            {
                let (events, queue) = mpsc::unbounded_channel();
                queues.push_back(queue);
                running.push(run_scenario(scenario, options, &open, events));
            }
            // The queue of a scenario that is over ends; the next one's turn comes.
            let Some(first) = queues.front_mut() else { break false };
            tokio::select! {
                biased;
                event = first.recv() => match event {
                    Some(event) => tell(event)?,
                    None => drop(queues.pop_front()),
                },
                Some(()) = running.next(), if !running.is_empty() => {}
                () = &mut stop => {
                    drop(running);
                    for mut queue in queues {
                        while let Ok(event) = queue.try_recv() {
                            tell(event)?;
                        }
                    }
                    break true;
                }
            }
        }
    };
    let outcome = if interrupted { Outcome::Interrupted } else { Outcome::of(&totals) };
    sink(Event::RunFinished(RunFinished { totals, outcome }))?;
    Ok(outcome)
}

async fn run_scenario<B: Backend>(
    scenario: &Scenario,
    options: &RunOptions,
    open: &impl AsyncFn() -> Result<B, BackendError>,
    events: mpsc::UnboundedSender<Event>,
) {
    // Nobody reads the events any more only after an interruption.
    let mut tell = |event: Event| events.send(event).map_err(io::Error::other);
    let run = async {
        let Ok(Some(plan)) = begin(scenario, options, &mut tell) else { return Ok(()) };
        let mut backend = open().await?;
        run_steps(&plan, options, &mut backend, &mut tell).await
    };
    if let Err(error) = run.await {
        let reason = with_sources(&error);
        let (scenario, place) = (scenario.name.clone(), scenario.place.clone());
        let _ = events.send(Event::ScenarioFailed(ScenarioFailed { scenario, place, reason }));
    }
}

async fn run_steps<B: Backend>(
    plan: &Plan<'_>,
    options: &RunOptions,
    backend: &mut B,
    sink: Sink<'_>,
) -> Result<(), BackendError> {
    let (scenario, version) = (plan.scenario, options.version);
    let (mut learned, mut in_force) = (Learned::default(), InForce::default());
    let last = Cell::new(0);
    for (step, cells) in &plan.steps {
        let asked = predict_step(step, version, &learned, &in_force);
        backend.apply(step).await?;
        let begun =
            if cells.is_empty() { Ok(()) } else { begin_step(scenario, step, &asked.cluster, version, sink) };
        let evidence = attempt(step, backend, options, &last).await;
        let wanted = cells.iter().map(|cell| evidence[cell.index].clone()).collect();
        let ended = begun.and_then(|()| {
            if cells.is_empty() {
                return Ok(());
            }
            end_step(scenario, step, cells, &asked.predicted, Some(wanted), version, sink)
        });
        if ended.is_err() {
            return Ok(());
        }
        (learned, in_force) = (asked.predicted.learned, asked.in_force);
    }
    Ok(())
}

/// Makes the attempts of a step: first those by address, then those that ask the DNS server, for these may teach
/// its proxy names. Answers their evidence in the order of the table. Cells that are not wanted are attempted
/// too: what they look up stays known in the steps to come.
async fn attempt<B: Backend>(
    step: &Step,
    backend: &mut B,
    options: &RunOptions,
    last: &Cell<u64>,
) -> Vec<Evidence> {
    let mut evidence = BTreeMap::new();
    for asking in [false, true] {
        let chosen = all_cells(step).enumerate().filter(|(_, (row, _))| asks(&row.attempt) == asking);
        let (indices, attempts): (Vec<usize>, Vec<(AttemptNumber, &Endpoint, &Attempt)>) = chosen
            .map(|(index, (row, source))| {
                last.set(last.get() + 1);
                (index, (AttemptNumber(last.get()), source, &row.attempt))
            })
            .unzip();
        if !attempts.is_empty() {
            let made = Wave::make(backend, &attempts, options.timeout * STAGES).await;
            evidence.extend(indices.into_iter().zip(made));
        }
    }
    evidence.into_values().collect()
}

fn asks(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Dns { .. }) || matches!(attempt.target(), Some(Target::Name(_)))
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
