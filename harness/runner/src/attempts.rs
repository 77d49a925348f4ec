//! One batch of attempts: from their beginning to all evidence about them.
//!
//! Not all of them are in flight at once: an [`InFlightWindow`] follows how quickly the machine answers. The batch ends when every
//! server has told what has reached it.

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
use crate::backend::{AttemptNumber, Backend, BackendEvent, EndScope, Flowing};

pub(crate) mod backends;
pub(crate) mod retry;
mod running;
pub(crate) mod step;
mod window;

/// How long to wait for flows after the last attempt has finished, and for arrivals if servers cannot be asked for them.
const LATE: Duration = Duration::from_millis(500);
/// How long an attempt may take beyond what its stages may, and servers to tell what has reached them.
const SPARE: Duration = Duration::from_secs(10);
/// After this time without an event an attempt only waits, and another one may begin.
const SILENT: Duration = Duration::from_secs(1);

/// Endpoints that cannot make attempts any more, each with the reason.
pub(crate) type Gone = BTreeMap<Endpoint, String>;

/// An attempt to be made.
type NumberedAttempt<'a> = (AttemptNumber, &'a Endpoint, &'a Attempt);

/// How a batch is made.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// How long one attempt may take.
    patience: Duration,
    /// How many attempts are in flight at first.
    at_first: usize,
}

/// Attempts that are made together.
struct Batch<'a, 'b, B> {
    backend: &'b mut B,
    pace: Pace,
    window: InFlightWindow,
    running: BTreeMap<AttemptNumber, RunningAttempt<'a>>,
    /// How many of those that have begun are not finished.
    unfinished: usize,
    /// How many of those that have begun are not explained.
    unexplained: usize,
    /// Those that have begun, in their order, until they have been looked at: after [`SILENT`], when they have to be over.
    silent: VecDeque<(Instant, AttemptNumber)>,
    deadlines: VecDeque<(Instant, AttemptNumber)>,
    /// The attempts that had an origin, in the order in which they had it.
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
    pace: Pace,
    gone: &mut Gone,
) -> Vec<Evidence> {
    let lost = match backend.flowing() {
        Flowing::Yes => None,
        Flowing::NotNow(reason) | Flowing::NoMore(reason) => Some(reason),
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
    batch.hear_the_rest().await;
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
            self.look_at_clock();
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
            // Without one there is room, and whatever waits has begun.
            let Some(until) = until else { continue };
            if let Ok(event) = tokio::time::timeout_at(until, self.backend.next()).await {
                self.hear(event);
            }
        }
    }

    /// Hears what the datapath may hold back, and what has been told already: it belongs to the evidence wherever it
    /// stands in line, for an attempt that audit mode let pass is answered no earlier than its flow was made.
    async fn hear_the_rest(&mut self) {
        let told = Instant::now() + self.backend.flush();
        while Instant::now() < told
            && let Ok(event) = tokio::time::timeout_at(told, self.backend.next()).await
        {
            self.hear(event);
        }
        let drained = Instant::now() + LATE;
        while let Some(event) = tokio::task::unconstrained(self.backend.next()).now_or_never() {
            self.hear(event);
            if Instant::now() >= drained {
                break;
            }
        }
    }

    /// Lets others begin beside attempts that are silent, and gives up those of which nothing comes.
    fn look_at_clock(&mut self) {
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

    /// Changes an attempt, and counts what it is then.
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

    fn hear(&mut self, event: BackendEvent) {
        match event {
            BackendEvent::Bound { number, stage, protocol, local, remote } => {
                let bound =
                    self.change(number, |running, now| running.bind(stage, protocol, (local, remote), now));
                for origin in bound.unwrap_or_default() {
                    let numbers = self.by_origin.entry(origin).or_default();
                    if !numbers.contains(&number) {
                        numbers.push(number);
                    }
                    self.catch_up(origin);
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
                if !self.arrive(origin, &server) {
                    self.early_arrivals.entry(origin).or_default().push(server);
                }
            }
            BackendEvent::Reported => self.asked = false,
            BackendEvent::Flow(flow) => self.belongs(*flow),
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

    /// Assigns what came too early to its attempt.
    fn catch_up(&mut self, origin: PacketOrigin) {
        for flow in self.early.remove(&origin).unwrap_or_default() {
            self.belongs(flow);
        }
        for server in self.early_arrivals.remove(&origin).unwrap_or_default() {
            if !self.arrive(origin, &server) {
                self.early_arrivals.entry(origin).or_default().push(server);
            }
        }
    }

    /// Returns whether any attempt has had the origin and goes to the server. Of several it is the first that has not
    /// arrived yet: each had the port only when the one before had given it up.
    fn arrive(&mut self, origin: PacketOrigin, server: &[SocketAddr]) -> bool {
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

    /// Gives a flow to the attempt it belongs to, or keeps it until that has told its port. An attempt whose packets
    /// were dropped is ended.
    fn belongs(&mut self, flow: Flow) {
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
        // A proxy may tell of an answer when its client has gone.
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
