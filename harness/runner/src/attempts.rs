//! One wave of attempts, made at the same time: from their beginning to all evidence about them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::flow::Flow;
use verdikt_scenario::observation::Outcome;
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::correlate::Origin;
use verdikt_verdict::evidence::Evidence;

use self::running::Running;
use crate::backend::{AttemptNumber, Backend, Flowing, Signal};

pub(crate) mod again;
mod running;

/// How long flows and arrivals may come after the last attempt has finished.
const LATE: Duration = Duration::from_millis(500);
/// How long a whole wave may take beyond what its attempts may.
const SPARE: Duration = Duration::from_secs(10);

/// Endpoints that can attempt nothing any more, each with the reason.
pub(crate) type Gone = BTreeMap<Endpoint, String>;

/// Attempts that are made at the same time.
struct Wave<'a, 'b, B> {
    backend: &'b mut B,
    running: BTreeMap<AttemptNumber, Running<'a>>,
    /// The attempts that had an origin, in the order in which they had it.
    by_origin: BTreeMap<Origin, Vec<AttemptNumber>>,
    /// What came before the attempt it belongs to had told its port.
    early: BTreeMap<Origin, Vec<Flow>>,
    early_arrivals: Vec<Origin>,
    lost: Option<String>,
    gone: &'b mut Gone,
}

/// Begins attempts, and hears of them until everything is known. Answers their evidence, in their order. `patience`
/// is how long one attempt may take. Endpoints that go are added to `gone`; what is there attempts nothing.
async fn make<'a, B: Backend>(
    backend: &mut B,
    attempts: &[(AttemptNumber, &'a Endpoint, &'a Attempt)],
    patience: Duration,
    gone: &mut Gone,
) -> Vec<Evidence> {
    let lost = match backend.flowing() {
        Flowing::Yes => None,
        Flowing::NotNow(reason) | Flowing::NoMore(reason) => Some(reason),
    };
    let mut wave = Wave {
        backend,
        running: BTreeMap::new(),
        by_origin: BTreeMap::new(),
        early: BTreeMap::new(),
        early_arrivals: Vec::new(),
        lost,
        gone,
    };
    for (number, source, attempt) in attempts {
        wave.begin(*number, source, attempt);
    }
    wave.hear_all(patience).await;
    let (mut running, lost) = (wave.running, wave.lost);
    let evidence = attempts.iter().filter_map(|(number, ..)| running.remove(number));
    evidence.map(|running| running.into_evidence(lost.as_ref())).collect()
}

impl<'a, B: Backend> Wave<'a, '_, B> {
    fn begin(&mut self, number: AttemptNumber, source: &'a Endpoint, attempt: &'a Attempt) {
        let destinations = self.backend.destinations(source, attempt);
        let mut running = Running::new(source, attempt, destinations, self.backend.now());
        match self.gone.get(source) {
            Some(reason) => running.finish(not_attempted(source, reason)),
            None => self.backend.begin(number, source, attempt),
        }
        self.running.insert(number, running);
    }

    async fn hear_all(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience + SPARE;
        let mut until = deadline;
        while !self.running.values().all(Running::is_explained) {
            if until == deadline && self.running.values().all(Running::is_finished) {
                until = deadline.min(Instant::now() + LATE);
            }
            match tokio::time::timeout_at(until, self.backend.next()).await {
                Ok(signal) => self.hear(signal),
                Err(_) => break,
            }
        }
        let told = Instant::now() + self.backend.flush();
        while Instant::now() < told
            && let Ok(signal) = tokio::time::timeout_at(told, self.backend.next()).await
        {
            self.hear(signal);
        }
        // What has been told already belongs to the evidence, wherever it stands in line: an attempt that audit mode
        // let pass is answered no earlier than its flow was made.
        let drained = deadline.min(Instant::now() + LATE);
        while let Some(signal) = tokio::task::unconstrained(self.backend.next()).now_or_never() {
            self.hear(signal);
            if Instant::now() >= drained {
                break;
            }
        }
        for (number, _) in self.running.iter().filter(|(_, running)| !running.is_finished()) {
            self.backend.end(*number);
        }
    }

    fn hear(&mut self, signal: Signal) {
        match signal {
            Signal::Bound { number, stage, protocol, local, remote } => {
                let now = self.backend.now();
                let running = self.running.get_mut(&number);
                if let Some(origin) =
                    running.and_then(|running| running.bind(stage, protocol, (local, remote), now))
                {
                    let numbers = self.by_origin.entry(origin).or_default();
                    if !numbers.contains(&number) {
                        numbers.push(number);
                    }
                    self.catch_up(origin);
                }
            }
            Signal::StageEnded { number, outcome, addresses, took } => {
                if let Some(running) = self.running.get_mut(&number) {
                    running.end_stage(outcome, addresses, took);
                }
            }
            Signal::Finished { number, outcome } => {
                if let Some(running) = self.running.get_mut(&number) {
                    running.finish(outcome);
                }
            }
            Signal::Arrived { number: Some(number), .. } => {
                if let Some(running) = self.running.get_mut(&number) {
                    running.arrive();
                }
            }
            Signal::Arrived { number: None, protocol, peer } => {
                let origin = Origin { protocol, client: peer };
                if !self.arrive(origin) {
                    self.early_arrivals.push(origin);
                }
            }
            Signal::Flow(flow) => self.belongs(*flow),
            Signal::Lost(reason) => self.lost = Some(reason),
            Signal::Regained => {}
            Signal::Gone(endpoint, reason) => {
                for running in self.running.values_mut().filter(|running| *running.source == endpoint) {
                    running.finish(not_attempted(&endpoint, &reason));
                }
                self.gone.entry(endpoint).or_insert(reason);
            }
        }
    }

    /// Gives what came too early to whom it belongs.
    fn catch_up(&mut self, origin: Origin) {
        for flow in self.early.remove(&origin).unwrap_or_default() {
            self.belongs(flow);
        }
        if self.early_arrivals.contains(&origin) && self.arrive(origin) {
            self.early_arrivals.retain(|other| *other != origin);
        }
    }

    /// Answers whether any attempt has had the origin. Of several it is the first that has not arrived yet: each
    /// had the port only when the one before had given it up.
    fn arrive(&mut self, origin: Origin) -> bool {
        let Some(numbers) = self.by_origin.get(&origin) else { return false };
        for number in numbers {
            if self.running.get_mut(number).is_some_and(|running| running.arrive_from(origin)) {
                break;
            }
        }
        true
    }

    /// Gives a flow to the attempt it belongs to, or keeps it until that has told its port. An attempt whose packets
    /// were dropped is ended.
    fn belongs(&mut self, flow: Flow) {
        let Some(origin) = Origin::of_flow(&flow) else { return };
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
        match owner.and_then(|number| self.running.get_mut(number).map(|running| (*number, running))) {
            None => self.early.entry(origin).or_default().push(flow),
            Some((number, running)) => {
                if running.keep(flow) {
                    self.backend.end(number);
                }
            }
        }
    }
}

fn not_attempted(endpoint: &Endpoint, reason: &str) -> Outcome {
    Outcome::NotAttempted(format!("the agent of {endpoint} has ended: {reason}"))
}
