//! A run over a backend: apply, attempt, collect, fuse, compare, step by step; several scenarios side by side.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::ops::ControlFlow;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tracing::{Instrument as _, debug, info, info_span, warn};
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_verdict::compare::CellResult;
use verdikt_verdict::event::{Event, RunFinished, ScenarioFailed};
use verdikt_verdict::run_result::{RunResult, Totals};

use crate::attempts::Gone;
use crate::attempts::step::{attempt, attempt_options};
use crate::backend::{AttemptNumbers, Backend, BackendError, reason};
use crate::cell::ObservedStep;
use crate::filter::StepCells;
use crate::invariants::attempted::AttemptedInvariants;
use crate::model::begin_run;
use crate::plan::{Plan, RunOptions, Sink, StepHistory, begin_scenario, kept_connections, predict_step};
use crate::step_under_way::StepUnderWay;

/// A backend, and which scenarios it runs when. Scenarios are named by their indices.
#[derive(Clone, Copy)]
pub struct BackendChoice<'a> {
    /// Its name in reports.
    pub name: &'a str,
    /// Why a scenario cannot be run, if it cannot.
    pub unfit: &'a dyn Fn(&Scenario) -> Option<String>,
    /// Chooses the scenario that starts next.
    pub next: &'a NextScenario<'a>,
}

/// Is ready once a run is to end before its time.
pub type Stop<'a> = LocalBoxFuture<'a, ()>;

/// Chooses which of the waiting scenarios (in order) may start beside those under way; none if all have to wait.
pub type NextScenario<'a> = dyn Fn(&[usize], &BTreeSet<usize>) -> Option<usize> + 'a;

impl<'a> BackendChoice<'a> {
    /// A backend that accepts every scenario and may run any two at once.
    pub fn of_all(name: &'a str) -> Self {
        Self { name, unfit: &|_| None, next: &|waiting, _| waiting.first().copied() }
    }
}

impl fmt::Debug for BackendChoice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendChoice").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Runs each scenario over its own backend, which `open` makes. Whenever there is room, `choice` names the scenario that
/// starts next. Events are sent in the order of the scenarios, whatever the order in which they start: those of the first
/// unfinished one as they happen. When `stop` is ready, the run ends with what is known so far.
pub async fn run_on<B: Backend>(
    choice: BackendChoice<'_>,
    scenarios: &[Scenario],
    options: &RunOptions,
    open: impl AsyncFn(usize) -> Result<B, BackendError>,
    stop: impl Future<Output = ()>,
    sink: Sink<'_>,
) -> io::Result<RunResult> {
    let mut totals = Totals::default();
    let mut tell = |event: Event| {
        totals.add(&event);
        sink(event)
    };
    let began = options.clock.begin();
    begin_run(choice.name, options, &mut tell)?;
    let outcome = match run_all(choice, scenarios, options, open, stop, &mut tell).await? {
        ControlFlow::Break(Interruption) => RunResult::Interrupted,
        ControlFlow::Continue(()) => RunResult::of(&totals),
    };
    sink(Event::RunFinished(RunFinished { totals, outcome, took: began.took() }))?;
    Ok(outcome)
}

/// The early end of a run.
struct Interruption;

async fn run_all<B: Backend>(
    choice: BackendChoice<'_>,
    scenarios: &[Scenario],
    options: &RunOptions,
    open: impl AsyncFn(usize) -> Result<B, BackendError>,
    stop: impl Future<Output = ()>,
    tell: Sink<'_>,
) -> io::Result<ControlFlow<Interruption>> {
    let (mut events, mut queues): (Vec<_>, VecDeque<_>) = (0..scenarios.len())
        .map(|_| {
            let (events, queue) = mpsc::unbounded_channel();
            (Some(events), queue)
        })
        .unzip();
    let mut waiting: Vec<usize> = (0..scenarios.len()).collect();
    let mut running = FuturesUnordered::new();
    let mut under_way = BTreeSet::new();
    let mut may_begin = true;
    tokio::pin!(stop);
    loop {
        while may_begin {
            let is_room = under_way.len() < options.parallel.max(1);
            let next = if is_room { (choice.next)(&waiting, &under_way) } else { None };
            let next = next.and_then(|index| Some((index, events.get_mut(index)?.take()?)));
            let Some((index, events)) = next else {
                may_begin = false;
                continue;
            };
            waiting.retain(|other| *other != index);
            under_way.insert(index);
            let (scenario, opened) = (&scenarios[index], open(index));
            running.push(async move {
                run_scenario(scenario, options, choice.unfit, opened, events).await;
                index
            });
        }
        // The queue of a scenario that is over ends; the next one's turn comes.
        let Some(first) = queues.front_mut() else { return Ok(ControlFlow::Continue(())) };
        tokio::select! {
            biased;
            event = first.recv() => match event {
                Some(event) => tell(event)?,
                None => drop(queues.pop_front()),
            },
            Some(index) = running.next(), if !running.is_empty() => {
                under_way.remove(&index);
                may_begin = true;
            }
            () = &mut stop => break,
        }
    }
    drop(running);
    for mut queue in queues {
        while let Ok(event) = queue.try_recv() {
            tell(event)?;
        }
    }
    Ok(ControlFlow::Break(Interruption))
}

async fn run_scenario<B: Backend>(
    scenario: &Scenario,
    options: &RunOptions,
    unfit: &dyn Fn(&Scenario) -> Option<String>,
    opened: impl Future<Output = Result<B, BackendError>>,
    events: mpsc::UnboundedSender<Event>,
) {
    // The receiver is gone only after an interruption.
    let mut tell = |event: Event| events.send(event).map_err(io::Error::other);
    let run = async {
        let Ok(Some(plan)) = begin_scenario(scenario, options, unfit, &mut tell) else { return Ok(()) };
        let mut backend = opened.await?;
        let ran = run_steps(&plan, options, &mut backend, &mut tell).await;
        // What went wrong first is what matters.
        ran.and(backend.close().await)
    };
    let run = run.instrument(info_span!("scenario", scenario = %scenario.name));
    if let Err(error) = run.await {
        let reason = reason(&error);
        let (scenario, place) = (scenario.name.clone(), scenario.place.clone());
        // As above; the log has the reason anyway.
        warn!(reason, "the scenario has failed");
        let _ = events.send(Event::ScenarioFailed(ScenarioFailed { scenario, place, reason }));
    }
}

async fn run_steps<B: Backend>(
    plan: &Plan<'_>,
    options: &RunOptions,
    backend: &mut B,
    sink: Sink<'_>,
) -> Result<(), BackendError> {
    let scenario = plan.scenario;
    let mut past = StepHistory::default();
    let numbers = AttemptNumbers::default();
    for (step, cells) in &plan.steps {
        let run = StepRun { scenario, step, options, numbers: &numbers };
        let span = info_span!("step", step = %step.name);
        past = run.evaluate(cells, backend, &past, sink).instrument(span).await?;
    }
    Ok(())
}

/// One step to be run over a backend.
#[derive(Clone, Copy, Debug)]
pub struct StepRun<'a> {
    /// Its scenario.
    pub scenario: &'a Scenario,
    /// The step.
    pub step: &'a Step,
    /// How it is run.
    pub options: &'a RunOptions,
    /// The numbers of the backend's attempts, through all steps.
    pub numbers: &'a AttemptNumbers,
}

impl StepRun<'_> {
    /// Puts the step in force and attempts its whole table. Returns what it leaves to the
    /// step after.
    pub async fn run<B: Backend>(
        &self,
        backend: &mut B,
        past: &StepHistory,
        sink: Sink<'_>,
    ) -> Result<StepHistory, BackendError> {
        let cells = StepCells::of(self.scenario, self.step, &self.options.filters);
        self.evaluate(&cells, backend, past, sink).await
    }

    async fn evaluate<B: Backend>(
        &self,
        cells: &StepCells<'_>,
        backend: &mut B,
        past: &StepHistory,
        sink: Sink<'_>,
    ) -> Result<StepHistory, BackendError> {
        let Self { scenario, step, options, numbers } = *self;
        let this = StepUnderWay { scenario, step, version: options.version, began: options.clock.begin() };
        let predicted = predict_step(scenario, step, options.version, past);
        backend.keep_connections(kept_connections(scenario, step));
        let applied = match backend.apply(step, predicted.model.first()).await {
            Ok(applied) => applied,
            Err(error) => {
                // What went wrong first is what matters.
                if let Err(error) = backend.keep_evidence(&scenario.name, &step.name).await {
                    warn!(%error, "cannot keep evidence");
                }
                return Err(error);
            }
        };
        info!(policies = step.policies.len(), cells = cells.selected.len(), "the step is in force");
        let mut unexpected = false;
        let mut sink = |event: Event| {
            unexpected |= is_unexpected(&event);
            sink(event)
        };
        // Steps of which no cell is selected are made without events; a step without a table still reports its objects.
        // A sink fails only when the run is over.
        let is_reported = !cells.is_empty() || step.table.is_empty();
        let begun =
            !is_reported || this.begin(&cells.skipped, predicted.model.first(), &applied, &mut sink).is_ok();
        let mut gone = Gone::new();
        let evidence = attempt(step, &predicted.attempts, backend, options, numbers, &mut gone).await;
        let invariants = if is_reported && begun {
            let attempted = AttemptedInvariants { scenario, step, predicted: &predicted, cells: &evidence };
            attempted.judge(backend, &attempt_options(step, options, numbers), &mut gone).await
        } else {
            Vec::new()
        };
        debug!(gone = gone.len(), "all attempts are made");
        if is_reported && begun {
            let observed = ObservedStep::Evidence(backend.datapath(), evidence);
            // As above.
            let _ = this.end(&cells.selected, &predicted, &observed, invariants, &mut sink);
        }
        if unexpected {
            backend.keep_evidence(&scenario.name, &step.name).await?;
        }
        // Without one of its endpoints the next step would not be as described.
        match gone.pop_first() {
            Some((endpoint, reason)) => Err(BackendError::Gone { endpoint, reason }),
            None => Ok(predicted.left),
        }
    }
}

/// Whether an event reports something that is not as expected.
fn is_unexpected(event: &Event) -> bool {
    match event {
        Event::CellJudged(cell) => cell.result != CellResult::AsExpected,
        Event::ObjectJudged(object) => !object.as_expected,
        Event::InvariantJudged(judged) => judged.is_of_attempts() && !judged.is_as_expected(),
        _ => false,
    }
}
