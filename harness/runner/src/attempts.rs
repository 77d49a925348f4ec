//! One wave of attempts, made at the same time: from their beginning to all evidence about them.

use std::collections::BTreeMap;
use std::time::Duration;

use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::flow::{Flow, FlowDirection, FlowKind, FlowProtocol, FlowVerdict};
use verdikt_scenario::observation::{Arrival, Observation, Outcome, Stage, StageKind};
use verdikt_scenario::topology::{Endpoint, Protocol};
use verdikt_verdict::correlate::{Origin, same_destination};
use verdikt_verdict::evidence::{Evidence, is_denial};

use crate::backend::{AttemptNumber, Backend, Destinations, Signal};

/// How long flows and arrivals may come after the last attempt has finished.
const LATE: Duration = Duration::from_millis(500);
/// How long a whole wave may take beyond what its attempts may.
const SPARE: Duration = Duration::from_secs(10);

/// One attempt on its way.
struct Running<'a> {
    source: &'a Endpoint,
    attempt: &'a Attempt,
    destinations: Destinations,
    began: Duration,
    stages: Vec<Stage>,
    flows: Vec<Flow>,
    arrived: bool,
    finished: Option<Outcome>,
    ended: bool,
}

impl Running<'_> {
    /// Whether nothing more is to be heard of it.
    fn is_explained(&self) -> bool {
        match &self.finished {
            None => false,
            Some(Outcome::NotAttempted(_)) => true,
            Some(Outcome::Answered | Outcome::HttpStatus(_)) => {
                self.arrived || !self.destinations.tells || self.flows.iter().any(is_denial)
            }
            Some(_) => self.flows.iter().any(|flow| is_denial(flow) || flow.verdict == FlowVerdict::Error),
        }
    }

    fn into_evidence(self, lost: Option<&String>) -> Evidence {
        let arrival = match (self.arrived, self.destinations.tells) {
            (true, _) => Arrival::Arrived,
            (false, true) => Arrival::NotSeen,
            (false, false) => Arrival::Unknown,
        };
        let unfinished = || Outcome::NotAttempted("its agent has not said what became of it".to_owned());
        let outcome = self.finished.unwrap_or_else(unfinished);
        let observation = Observation { outcome, stages: self.stages, arrival };
        Evidence { observation, flows: self.flows, lost: lost.cloned() }
    }
}

/// Attempts that are made at the same time.
pub(crate) struct Wave<'a> {
    running: BTreeMap<AttemptNumber, Running<'a>>,
    by_origin: BTreeMap<Origin, Vec<AttemptNumber>>,
    /// What came before the attempt it belongs to had told its port.
    early: Vec<Flow>,
    early_arrivals: Vec<Origin>,
    lost: Option<String>,
}

impl<'a> Wave<'a> {
    /// Begins attempts, and hears of them until everything is known. Answers their evidence, in their order.
    /// `patience` is how long one attempt may take.
    pub(crate) async fn make<B: Backend>(
        backend: &mut B,
        attempts: &[(AttemptNumber, &'a Endpoint, &'a Attempt)],
        patience: Duration,
    ) -> Vec<Evidence> {
        let mut wave = Self {
            running: BTreeMap::new(),
            by_origin: BTreeMap::new(),
            early: Vec::new(),
            early_arrivals: Vec::new(),
            lost: None,
        };
        for (number, source, attempt) in attempts {
            let running = Running {
                source,
                attempt,
                destinations: backend.destinations(source, attempt),
                began: backend.now(),
                stages: Vec::new(),
                flows: Vec::new(),
                arrived: false,
                finished: None,
                ended: false,
            };
            wave.running.insert(*number, running);
            backend.begin(*number, source, attempt);
        }
        let deadline = tokio::time::Instant::now() + patience + SPARE;
        let mut until = deadline;
        loop {
            if wave.running.values().all(Running::is_explained) {
                break;
            }
            if until == deadline && wave.running.values().all(|running| running.finished.is_some()) {
                until = deadline.min(tokio::time::Instant::now() + LATE);
            }
            match tokio::time::timeout_at(until, backend.next()).await {
                Ok(signal) => wave.hear(signal, backend),
                Err(_) => break,
            }
        }
        let lost = wave.lost.as_ref();
        let mut running = wave.running;
        let evidence = attempts.iter().filter_map(|(number, ..)| running.remove(number));
        evidence.map(|running| running.into_evidence(lost)).collect()
    }

    fn hear<B: Backend>(&mut self, signal: Signal, backend: &mut B) {
        match signal {
            Signal::Bound { number, stage, protocol, local, remote } => {
                let began = backend.now();
                let Some(running) = self.running.get_mut(&number) else { return };
                let (outcome, took) = (Outcome::TimedOut, Duration::ZERO);
                let (local, remote) = (Some(local), Some(remote));
                let addresses = Vec::new();
                let stage = Stage { kind: stage, protocol, local, remote, outcome, addresses, began, took };
                let origin = Origin::of_stage(&stage);
                running.stages.push(stage);
                if let Some(origin) = origin {
                    let numbers = self.by_origin.entry(origin).or_default();
                    if !numbers.contains(&number) {
                        numbers.push(number);
                    }
                    self.catch_up(origin, backend);
                }
            }
            Signal::StageEnded { number, outcome, addresses, took } => {
                let stage = self.running.get_mut(&number).and_then(|running| running.stages.last_mut());
                if let Some(stage) = stage {
                    (stage.outcome, stage.addresses, stage.took) = (outcome, addresses, took);
                }
            }
            Signal::Finished { number, outcome } => {
                if let Some(running) = self.running.get_mut(&number) {
                    running.finished.get_or_insert(outcome);
                }
            }
            Signal::Arrived { number: Some(number), .. } => {
                if let Some(running) = self.running.get_mut(&number) {
                    running.arrived = true;
                }
            }
            Signal::Arrived { number: None, protocol, peer } => {
                let origin = Origin { protocol, client: peer };
                if !self.arrive(origin) {
                    self.early_arrivals.push(origin);
                }
            }
            Signal::Flow(flow) => {
                if let Some(flow) = self.belongs(*flow, backend) {
                    self.early.push(flow);
                }
            }
            Signal::Lost(reason) => self.lost = Some(reason),
            Signal::Gone(endpoint, reason) => {
                for running in self.running.values_mut().filter(|running| *running.source == endpoint) {
                    let outcome = Outcome::NotAttempted(format!("the agent of {endpoint}: {reason}"));
                    running.finished.get_or_insert(outcome);
                }
            }
        }
    }

    fn catch_up<B: Backend>(&mut self, origin: Origin, backend: &mut B) {
        for flow in std::mem::take(&mut self.early) {
            if let Some(flow) = self.belongs(flow, backend) {
                self.early.push(flow);
            }
        }
        if self.early_arrivals.contains(&origin) && self.arrive(origin) {
            self.early_arrivals.retain(|other| *other != origin);
        }
    }

    fn arrive(&mut self, origin: Origin) -> bool {
        let numbers = self.by_origin.get(&origin).cloned().unwrap_or_default();
        // Of several attempts with one origin only one can be open.
        let Some(number) = numbers.last() else { return false };
        let Some(running) = self.running.get_mut(number) else { return false };
        let last = running.stages.iter().rev().find(|stage| Origin::of_stage(stage) == Some(origin));
        running.arrived |= match running.attempt {
            Attempt::Dns { .. } => true,
            // A request says itself to which attempt it belongs.
            Attempt::Http { .. } => false,
            // The query before a connection is no arrival of the attempt.
            Attempt::Connect { .. } | Attempt::Ping { .. } => {
                last.is_some_and(|stage| stage.kind != StageKind::LookUp)
            }
        };
        true
    }

    /// Gives a flow to the attempt it belongs to; back if there is none yet. A denied attempt is ended.
    fn belongs<B: Backend>(&mut self, flow: Flow, backend: &mut B) -> Option<Flow> {
        let Some(numbers) = Origin::of_flow(&flow).and_then(|origin| self.by_origin.get(&origin)) else {
            return Some(flow);
        };
        for number in numbers {
            let Some(running) = self.running.get_mut(number) else { continue };
            let own = |stage: &Stage| {
                let same = Origin::of_stage(stage) == Origin::of_flow(&flow);
                let look_up = stage.kind == StageKind::LookUp;
                // A look-up goes to the cluster's DNS server, whose true address is no destination of the attempt.
                same && (look_up
                    && stage.remote.is_some_and(|remote| Some(remote.port()) == flow.destination.port)
                    || same_destination(&flow, stage, &running.destinations.sockets))
            };
            if flow.at < running.began || !running.stages.iter().any(own) {
                continue;
            }
            running.flows.push(flow);
            if !running.ended && running.finished.is_none() && may_end(running) {
                running.ended = true;
                backend.end(*number);
            }
            return None;
        }
        Some(flow)
    }
}

/// Whether nothing but its timeout can come of an attempt: one of its packets was dropped. What a proxy refuses
/// gets an answer; and while a proxy has the client's request, its own judgement may come before the server's.
fn may_end(running: &Running<'_>) -> bool {
    let packet_dropped = |flow: &Flow| {
        flow.kind == FlowKind::PolicyVerdict
            && matches!(flow.verdict, FlowVerdict::Dropped | FlowVerdict::Error)
    };
    let tcp = || running.flows.iter().filter(|flow| flow.protocol == FlowProtocol::Port(Protocol::Tcp));
    let proxied =
        tcp().any(|flow| flow.verdict == FlowVerdict::Redirected && flow.direction == FlowDirection::Egress);
    let judged = tcp().any(|flow| flow.kind == FlowKind::Proxy);
    let asks = matches!(running.attempt, Attempt::Http { .. });
    running.flows.iter().any(packet_dropped) && (!asks || !proxied || judged)
}
