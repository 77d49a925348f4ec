//! Makes one batch of attempts, and collects all evidence about them.
//!
//! How many of them are in flight at once, an [`InFlightWindow`] adapts to how quickly the machine answers. The batch ends
//! when every server has reported what has reached it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::{debug, trace};
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::flow::Flow;
use verdikt_scenario::observation::Outcome;
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::correlate::PacketOrigin;
use verdikt_verdict::evidence::Evidence;

use self::running::RunningAttempt;
use self::window::InFlightWindow;
use crate::backend::{AttemptNumber, Backend, BackendEvent, EndScope, FlowState};

pub(crate) mod backends;
pub(crate) mod retry;
mod running;
pub(crate) mod step;
mod window;

/// How long to wait for late flows after the last attempt has finished, and for arrivals if servers cannot be asked for them.
const LATE: Duration = Duration::from_millis(500);
/// How much longer an attempt may take than the timeouts of its stages, and how long servers may take to report arrivals.
const SPARE: Duration = Duration::from_secs(10);
/// After this time an attempt only waits, so that another one may start in its place.
const SILENT: Duration = Duration::from_secs(1);

/// Endpoints that cannot make attempts any more, each with the reason.
pub(crate) type Gone = BTreeMap<Endpoint, String>;

/// An attempt to be made.
type NumberedAttempt<'a> = (AttemptNumber, &'a Endpoint, &'a Attempt);

/// How a batch is made.
#[derive(Clone, Copy, Debug)]
struct BatchOptions {
    /// How long one attempt may take.
    patience: Duration,
    /// How many attempts are in flight at first.
    at_first: usize,
}

/// Attempts that are made together.
struct Batch<'a, 'b, B> {
    backend: &'b mut B,
    pace: BatchOptions,
    window: InFlightWindow,
    running: BTreeMap<AttemptNumber, RunningAttempt<'a>>,
    /// How many of those that have begun are not finished.
    unfinished: usize,
    /// How many of those that have begun are not explained.
    unexplained: usize,
    /// The attempts under way in the order of their start, each with the time when it counts as silent.
    silent: VecDeque<(Instant, AttemptNumber)>,
    /// The same with the time when each is given up.
    deadlines: VecDeque<(Instant, AttemptNumber)>,
    /// The attempts that used a client address and port, in order.
    by_origin: BTreeMap<PacketOrigin, Vec<AttemptNumber>>,
    /// Flows and arrivals that came before the attempt they belong to reported its port.
    early: BTreeMap<PacketOrigin, Vec<Flow>>,
    early_arrivals: BTreeMap<PacketOrigin, Vec<Vec<SocketAddr>>>,
    /// Whether servers have been asked and have not reported everything.
    asked: bool,
    lost: Option<String>,
    gone: &'b mut Gone,
}

/// Makes attempts, and collects their evidence until everything is known. Returns it in their order. Endpoints that fail
/// are added to `gone`; those already there make no attempts.
async fn make<B: Backend>(
    backend: &mut B,
    attempts: &[NumberedAttempt<'_>],
    pace: BatchOptions,
    gone: &mut Gone,
) -> Vec<Evidence> {
    let lost = match backend.flowing() {
        FlowState::Yes => None,
        FlowState::NotNow(reason) | FlowState::NoMore(reason) => Some(reason),
    };
    let mut batch = Batch {
        backend,
        pace,
        window: InFlightWindow::of(pace.at_first),
        running: BTreeMap::new(),
        unfinished: 0,
        unexplained: 0,
        silent: VecDeque::new(),
        deadlines: VecDeque::new(),
        by_origin: BTreeMap::new(),
        early: BTreeMap::new(),
        early_arrivals: BTreeMap::new(),
        asked: false,
        lost,
        gone,
    };
    batch.make_all(attempts).await;
    batch.drain().await;
    let (mut running, lost) = (batch.running, batch.lost);
    let evidence = attempts.iter().filter_map(|(number, ..)| running.remove(number));
    evidence.map(|running| running.into_evidence(lost.as_ref())).collect()
}

impl<'a, B: Backend> Batch<'a, '_, B> {
    fn begin(&mut self, (number, source, attempt): NumberedAttempt<'a>) {
        let destinations = self.backend.destinations(source, attempt);
        let mut running = RunningAttempt::new(source, attempt, destinations, self.backend.now());
        if let Some(reason) = self.gone.get(source) {
            running.finish(not_attempted(source, reason));
            self.running.insert(number, running);
            return;
        }
        trace!(number = number.0, %source, %attempt, "begin an attempt");
        self.backend.begin(number, source, attempt);
        let now = Instant::now();
        self.window.begin();
        self.unfinished += 1;
        self.unexplained += 1;
        self.silent.push_back((now + SILENT, number));
        self.deadlines.push_back((now + self.pace.patience + SPARE, number));
        self.running.insert(number, running);
    }

    /// Makes attempts as there is room for them, until all of them are explained, or finished and nothing more can come.
    async fn make_all(&mut self, attempts: &[NumberedAttempt<'a>]) {
        let mut waiting = attempts.iter().copied();
        let mut end: Option<(Instant, Instant)> = None;
        loop {
            self.check_deadlines();
            while self.window.has_room()
                && let Some(attempt) = waiting.next()
            {
                self.begin(attempt);
            }
            let until = if self.unfinished > 0 || waiting.len() > 0 {
                let first = |queue: &VecDeque<(Instant, AttemptNumber)>| queue.front().map(|(at, _)| *at);
                first(&self.silent).into_iter().chain(first(&self.deadlines)).min()
            } else {
                let now = Instant::now();
                let (late, told) = *end.get_or_insert_with(|| {
                    self.asked = self.backend.ask_servers();
                    (now + LATE, now + SPARE)
                });
                let is_told = !self.asked || now >= told;
                if is_told && (self.unexplained == 0 || now >= late) {
                    return;
                }
                Some(if self.asked { told } else { late })
            };
            // Without a deadline there is room for the next attempt.
            let Some(until) = until else { continue };
            if let Ok(event) = tokio::time::timeout_at(until, self.backend.next()).await {
                self.handle(event);
            }
        }
    }

    /// Handles the events that the datapath held back, and all that are queued: an attempt that audit mode let pass may be
    /// answered before its flow is read.
    async fn drain(&mut self) {
        let told = Instant::now() + self.backend.flush();
        while Instant::now() < told
            && let Ok(event) = tokio::time::timeout_at(told, self.backend.next()).await
        {
            self.handle(event);
        }
        let drained = Instant::now() + LATE;
        while let Some(event) = tokio::task::unconstrained(self.backend.next()).now_or_never() {
            self.handle(event);
            if Instant::now() >= drained {
                break;
            }
        }
    }

    /// Makes room for others beside silent attempts, and gives up those that have reached their deadline.
    fn check_deadlines(&mut self) {
        let now = Instant::now();
        while let Some((_, number)) = self.silent.pop_front_if(|(at, _)| *at <= now) {
            if let Some(running) = self.running.get_mut(&number)
                && let Some(answered) = running.answered_after()
                && running.leave()
            {
                self.window.end(answered);
            }
        }
        while let Some((_, number)) = self.deadlines.pop_front_if(|(at, _)| *at <= now) {
            if self.running.get(&number).is_some_and(|running| !running.is_finished()) {
                self.backend.end(number, EndScope::Attempt);
                self.change(number, |running, _| running.finish(RunningAttempt::unanswered()));
            }
        }
    }

    /// Changes an attempt, and updates the counters.
    fn change<T>(
        &mut self,
        number: AttemptNumber,
        change: impl FnOnce(&mut RunningAttempt<'a>, Duration) -> T,
    ) -> Option<T> {
        let running = self.running.get_mut(&number)?;
        let (finished, explained, now) = (running.is_finished(), running.is_explained(), self.backend.now());
        let changed = change(running, now);
        if !finished && running.is_finished() {
            self.unfinished -= 1;
            if running.leave() {
                self.window.end(running.answered_within(now));
            }
        }
        if !explained && running.is_explained() {
            self.unexplained -= 1;
        }
        Some(changed)
    }

    fn handle(&mut self, event: BackendEvent) {
        match event {
            BackendEvent::Bound { number, stage, protocol, local, remote } => {
                let bound =
                    self.change(number, |running, now| running.bind(stage, protocol, (local, remote), now));
                for origin in bound.unwrap_or_default() {
                    let numbers = self.by_origin.entry(origin).or_default();
                    if !numbers.contains(&number) {
                        numbers.push(number);
                    }
                    self.assign_early(origin);
                }
            }
            BackendEvent::StageEnded { number, outcome, addresses, took } => {
                self.change(number, |running, _| running.end_stage(outcome, addresses, took));
            }
            BackendEvent::Finished { number, outcome } => {
                trace!(number = number.0, ?outcome, "an attempt has ended");
                self.change(number, |running, _| running.finish(outcome));
            }
            BackendEvent::Arrived { number: Some(number), server, .. } => {
                self.change(number, |running, _| running.arrive(server));
            }
            BackendEvent::Arrived { number: None, protocol, peer, server } => {
                let origin = PacketOrigin { protocol, client: peer };
                if !self.assign_arrival(origin, &server) {
                    self.early_arrivals.entry(origin).or_default().push(server);
                }
            }
            BackendEvent::Reported => self.asked = false,
            BackendEvent::Flow(flow) => self.assign_flow(*flow),
            BackendEvent::Lost(reason) => {
                debug!(reason, "evidence may be missing");
                self.lost = Some(reason);
            }
            BackendEvent::Regained => {}
            BackendEvent::Gone(endpoint, reason) => {
                let of_endpoint = self.running.iter().filter(|(_, running)| *running.source == endpoint);
                let numbers: Vec<AttemptNumber> = of_endpoint.map(|(number, _)| *number).collect();
                for number in numbers {
                    self.change(number, |running, _| running.finish(not_attempted(&endpoint, &reason)));
                }
                self.gone.entry(endpoint).or_insert(reason);
            }
        }
    }

    /// Assigns flows and arrivals that came before the attempt reported this origin.
    fn assign_early(&mut self, origin: PacketOrigin) {
        for flow in self.early.remove(&origin).unwrap_or_default() {
            self.assign_flow(flow);
        }
        for server in self.early_arrivals.remove(&origin).unwrap_or_default() {
            if !self.assign_arrival(origin, &server) {
                self.early_arrivals.entry(origin).or_default().push(server);
            }
        }
    }

    /// Assigns an arrival to an attempt with this origin that goes to the server; returns whether there is one. Of several
    /// it is the first that has not arrived yet, because they used the port one after the other.
    fn assign_arrival(&mut self, origin: PacketOrigin, server: &[SocketAddr]) -> bool {
        let Some(mut numbers) = self.by_origin.get(&origin).cloned() else { return false };
        numbers.retain(|number| self.running.get(number).is_some_and(|running| running.goes_to(server)));
        let is_any = !numbers.is_empty();
        for number in numbers {
            if self.change(number, |running, _| running.arrive_from(origin, server)) == Some(true) {
                break;
            }
        }
        is_any
    }

    /// Assigns a flow to its attempt, or keeps it until the attempt has reported its port. Ends an attempt whose packets
    /// were dropped.
    fn assign_flow(&mut self, flow: Flow) {
        let Some(origin) = PacketOrigin::of_flow(&flow) else { return };
        let numbers = self.by_origin.get(&origin).map_or(&[][..], Vec::as_slice);
        let owners: Vec<AttemptNumber> = numbers
            .iter()
            .copied()
            .filter(|number| self.running.get(number).is_some_and(|running| running.owns(&flow)))
            .collect();
        let had_port = |number: &&AttemptNumber| {
            self.running.get(*number).is_some_and(|running| running.had_port(&flow))
        };
        // A proxy may report an answer after its client has gone.
        let owner = owners.iter().find(had_port).or(owners.last());
        match owner.copied() {
            None => self.early.entry(origin).or_default().push(flow),
            Some(number) => {
                if let Some(scope) = self.change(number, |running, _| running.keep(flow)).flatten() {
                    self.backend.end(number, scope);
                }
            }
        }
    }
}

fn not_attempted(endpoint: &Endpoint, reason: &str) -> Outcome {
    Outcome::NotAttempted(format!("the probe of {endpoint} has ended: {reason}"))
}
