//! The `lab` backend: attempts by real sockets in network namespaces of this machine.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc;
use verdikt_engine::model::{LearnedNames, PolicyModel};
use verdikt_lab::lab::{Lab, LabEvent};
use verdikt_lab::namespace::ProbeWork;
use verdikt_probes::servers::trust;
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::flow::Flow;
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::topology::{Endpoint, Topology};
use verdikt_verdict::correlate::DnsServers;
use verdikt_verdict::run_result::RunResult;

use crate::backend::{
    AppliedStep, AttemptNumber, Backend, BackendError, BackendEvent, DatapathKind, Destinations, EndScope,
};
use crate::destinations::destinations;
use crate::in_flight::InFlight;
use crate::plan::{RunOptions, Sink};
use crate::run::{BackendChoice, Stop, run_on};
use crate::wire_words::{KnownToOrders, order};

/// The name of the backend in reports.
pub const NAME: &str = "lab";

/// Runs scenarios in labs, as [`run_on`] does over any backend. `probe` is what the probe of each pod runs.
///
/// The future is boxed: so runs in the lab are compiled here, and not in every program that makes them.
pub fn run<'a>(
    scenarios: &'a [Scenario],
    options: &'a RunOptions,
    probe: ProbeWork,
    stop: Stop<'a>,
    sink: Sink<'a>,
) -> LocalBoxFuture<'a, io::Result<RunResult>> {
    let open = async move |_| LabBackend::open(probe, options.timeout).await;
    Box::pin(run_on(BackendChoice::of_all(NAME), scenarios, options, open, stop, sink))
}

/// The backend for one scenario in the lab.
#[derive(Debug)]
pub struct LabBackend {
    lab: Lab,
    topology: Topology,
    timeout: Duration,
    /// The attempts whose connections are kept.
    kept: BTreeSet<Attempt>,
    in_flight: InFlight,
    follower: Option<mpsc::UnboundedSender<Flow>>,
    /// The sockets from which the attempts of the step were made, and when the last of them ended.
    attempted: (BTreeSet<SocketAddr>, Duration),
}

impl LabBackend {
    /// Makes an empty lab. `probe` is what each of its probes runs.
    pub async fn open(probe: ProbeWork, timeout: Duration) -> Result<Self, BackendError> {
        let lab = Lab::start(probe, Instant::now()).await.map_err(BackendError::new)?;
        Ok(Self {
            lab,
            topology: Topology::default(),
            timeout,
            kept: BTreeSet::new(),
            in_flight: InFlight::default(),
            follower: None,
            attempted: (BTreeSet::new(), Duration::ZERO),
        })
    }

    /// Sends every flow from now on to this subscriber too.
    pub fn follow(&mut self, follower: mpsc::UnboundedSender<Flow>) {
        self.follower = Some(follower);
    }

    /// The lab itself.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Stops serving these ports of endpoints, so that other programs can, and serves all others. Returns when that is done.
    pub async fn leave_ports(&mut self, taken: BTreeSet<(Endpoint, u16)>) -> Result<(), BackendError> {
        self.lab.leave_ports(&self.topology, taken).await.map_err(BackendError::new)
    }

    /// Waits until every packet sent before is judged, and all flows are sent to the follower.
    pub async fn catch_up(&mut self) -> Result<(), BackendError> {
        self.lab.catch_up().await.map_err(BackendError::new)?;
        loop {
            tokio::select! {
                biased;
                _ = tokio::task::unconstrained(self.next()) => {}
                () = std::future::ready(()) => return Ok(()),
            }
        }
    }

    /// Whether a flow is of one of the attempts of the step, now that these are over.
    pub fn is_of_attempt(&self, flow: &Flow) -> bool {
        let (sockets, end) = &self.attempted;
        let ends = [flow.source.socket(), flow.destination.socket()];
        flow.at <= *end && ends.iter().chain(&flow.client).any(|end| sockets.contains(end))
    }
}

impl Backend for LabBackend {
    async fn apply(&mut self, step: &Step, model: &PolicyModel<'_>) -> Result<AppliedStep, BackendError> {
        // The lab's own DNS proxy learns names.
        let model = model.knowing(&LearnedNames::default()).into_owned();
        self.topology = step.topology.clone();
        self.attempted.0.clear();
        self.lab.apply(&step.topology, model, step.enforcement).await.map_err(BackendError::new)?;
        // Only after the servers have this step's answers, or a late answer of the step before would be learned again.
        self.lab.forget_names(&step.expired);
        Ok(AppliedStep::default())
    }

    fn keep_connections(&mut self, attempts: BTreeSet<Attempt>) {
        self.kept = attempts;
    }

    fn begin(&mut self, number: AttemptNumber, source: &Endpoint, attempt: &Attempt) {
        let trusts = trust(&self.topology, source);
        let known =
            KnownToOrders { addresses: self.lab.addresses(), kept: &self.kept, trusts: trusts.as_ref() };
        let told = order(number, source, attempt, self.timeout, known).and_then(|order| {
            if self.lab.tell(source, order) { Ok(()) } else { Err(format!("the lab has no {source}")) }
        });
        self.in_flight.begin(number, source, told);
    }

    fn end(&mut self, number: AttemptNumber, scope: EndScope) {
        self.in_flight.end(number, scope, |source, order| self.lab.tell(source, order));
    }

    async fn next(&mut self) -> BackendEvent {
        if let Some(event) = self.in_flight.refused() {
            return event;
        }
        loop {
            match self.lab.next().await {
                LabEvent::Flow(flow) => {
                    if let Some(follower) = &self.follower {
                        // A follower that is gone needs no flows.
                        let _ = follower.send(flow.as_ref().clone());
                    }
                    return BackendEvent::Flow(flow);
                }
                LabEvent::Lost(lost) => return BackendEvent::Lost(lost.to_string()),
                LabEvent::Flushed => return BackendEvent::Reported,
                LabEvent::Gone(endpoint, reason) => return BackendEvent::Gone(endpoint, reason),
                LabEvent::Report(endpoint, report) => {
                    let server = |number| self.lab.server(&endpoint, number);
                    let Some(mut event) = self.in_flight.backend_event(report, server) else { continue };
                    match &mut event {
                        BackendEvent::Arrived { protocol, peer, server, .. } => {
                            *peer = self.lab.client(*protocol, *peer, server);
                        }
                        BackendEvent::Bound { local, .. } => drop(self.attempted.0.insert(*local)),
                        BackendEvent::Finished { .. } => self.attempted.1 = self.now(),
                        _ => {}
                    }
                    return event;
                }
            }
        }
    }

    fn ask_servers(&mut self) -> bool {
        self.lab.flush();
        true
    }

    fn flush(&mut self) -> Duration {
        self.lab.count_losses();
        Duration::ZERO
    }

    fn datapath(&self) -> DatapathKind {
        DatapathKind::Lab
    }

    fn destinations(&self, source: &Endpoint, attempt: &Attempt) -> Destinations {
        let addresses = self.lab.addresses();
        let found =
            destinations(source, attempt, &self.topology, &addresses.endpoints, |service, protocol, port| {
                addresses.behind(&self.topology, service, protocol, port)
            });
        // A program that serves the port does not report what reaches it.
        let is_taken = |socket: &SocketAddr| {
            let at = addresses.endpoints.iter().find(|(_, list)| list.contains(&socket.ip()));
            at.is_some_and(|(endpoint, _)| self.lab.is_taken(endpoint, socket.port()))
        };
        let tells = found.tells && !found.sockets.iter().any(is_taken);
        let dns_servers = DnsServers::Known(self.lab.dns_servers(&self.topology));
        // The datapath tells for whom a node or the gateway speaks.
        Destinations { tells, dns_servers, relays: Vec::new(), ..found }
    }

    fn now(&self) -> Duration {
        self.lab.begin().elapsed()
    }
}
