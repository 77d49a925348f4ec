//! The `cluster` backend: attempts by pods of a Kubernetes cluster, through Cilium's own datapath.

pub mod access;
pub mod kind;
pub mod notice;
pub mod session;

mod borrowing;
mod clusterwide;
mod fitness;
mod flows;
mod itself;
mod renaming;
mod resources;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tracing::debug;
use verdikt_cluster::audit::AuditMode;
use verdikt_cluster::clean::{CleanScope, clean};
use verdikt_cluster::cluster::{Cluster, ClusterOptions, is_served_by_node};
use verdikt_cluster::connect::ApiConnection;
use verdikt_cluster::evidence::collect;
use verdikt_cluster::inspect::Facts;
use verdikt_cluster::policies::ClusterRefusal;
use verdikt_cluster::settle::SettleGoal;
use verdikt_engine::model::PolicyModel;
use verdikt_probes::addresses::Addresses;
use verdikt_probes::probes::ProbeEvent;
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::scenario::Step;
use verdikt_scenario::topology::{Endpoint, Protocol, Topology};
use verdikt_verdict::event::ObjectRefusal;
use verdikt_wire as wire;

use self::flows::NodeFlows;
use self::flows::shared::SharedFlows;
use self::itself::with_true_client;
use crate::backend::{
    AppliedStep, AttemptNumber, Backend, BackendError, BackendEvent, Destinations, EndScope, FlowState,
};
use crate::destinations::destinations;
use crate::in_flight::InFlight;
use crate::wire_words::{KnownToOrders, order};

pub use self::clusterwide::{Clusterwide, ClusterwideReach, has_clusterwide_policies, reach};
pub use self::fitness::{OF_THE_CLUSTER, unfit};
pub use self::flows::{FlowsError, choose as choose_flows};
pub use self::resources::asks_for_names;
pub use verdikt_hubble::flow_source::FlowSourceChoice;

/// The first number of retrigger connections, which are not attempts of a table.
const FIRST_RETRIGGER: u64 = 1 << 63;
/// Their timeout, in milliseconds.
const RETRIGGER_TIMEOUT: u32 = 300;
/// The port for them, on which nothing listens.
const DISCARD: u16 = 9;
/// The timeout for a step to settle.
const SETTLE: Duration = Duration::from_mins(1);

/// The backend for one scenario on a cluster.
#[derive(Debug)]
pub struct ClusterBackend {
    cluster: Cluster,
    flows: NodeFlows,
    topology: Topology,
    /// The attempts whose connections are kept.
    kept: BTreeSet<Attempt>,
    run_options: ClusterRunOptions,
    /// The audit modes of pods that have another mode than new pods.
    modes: BTreeMap<NamespacedName, AuditMode>,
    retriggers: u64,
    /// The source addresses of pods that reach themselves through a service.
    own_service_clients: Vec<IpAddr>,
    in_flight: InFlight,
    /// Whether all created objects are known, so that they can be removed without listing.
    is_all_known: bool,
}

/// How a cluster is used.
#[derive(Clone, Debug)]
pub struct ClusterRunOptions {
    /// The timeout of each stage of an attempt.
    pub timeout: Duration,
    /// Whether the objects of the run stay in the cluster.
    pub keep: bool,
    /// The folder for evidence about steps that are not as expected: it gets a folder for each scenario and step.
    pub evidence: Option<PathBuf>,
}

/// The topology of a scenario that waits for others, and whose pods are created in the meantime.
pub(crate) struct PodsAhead<'a, T> {
    /// Its first topology.
    pub(crate) topology: &'a Topology,
    /// Resolves when the scenario may go on.
    pub(crate) turn: T,
}

impl ClusterBackend {
    /// Creates a backend without a topology, on a cluster that [`Cluster::open`] accepts. If the scenario has to wait for
    /// others, its pods are created in the meantime.
    pub(crate) async fn open(
        connection: ApiConnection,
        facts: Facts,
        (options, run_options): (ClusterOptions, ClusterRunOptions),
        flows: &SharedFlows,
        ahead: Option<PodsAhead<'_, impl Future<Output = ()>>>,
    ) -> Result<Self, BackendError> {
        let cluster = Cluster::open(connection, facts, options, flows.begin()).await;
        let mut cluster = cluster.map_err(BackendError::new)?;
        if let Some(PodsAhead { topology, turn }) = ahead {
            // The first step fails for the same reason, and reports it.
            if let Err(error) = cluster.make_pods(topology).await {
                debug!(%error, "cannot create pods in advance");
            }
            turn.await;
        }
        let flows = flows.subscribe(cluster.facts()).await.map_err(BackendError::new)?;
        let own_service_clients = cluster.facts().cilium.own_service_clients();
        let (topology, in_flight) = (Topology::default(), InFlight::default());
        Ok(Self {
            cluster,
            flows,
            topology,
            kept: BTreeSet::new(),
            run_options,
            modes: BTreeMap::new(),
            retriggers: 0,
            own_service_clients,
            in_flight,
            is_all_known: true,
        })
    }
}

impl ClusterBackend {
    /// Sets the audit modes that a step asks for, where they differ.
    async fn audit(&mut self, step: &Step) -> Result<(), BackendError> {
        let mode = |is_audited: bool| if is_audited { AuditMode::Audited } else { AuditMode::Enforced };
        let of_new = mode(self.cluster.facts().cilium.audit());
        let wanted = self.cluster.pods().map(|pod| {
            let by_itself = step.topology.audited.contains(&Endpoint::Pod(pod.clone()));
            (pod.clone(), mode(step.enforcement.audit || by_itself))
        });
        let wanted: BTreeMap<NamespacedName, AuditMode> = wanted.collect();
        let has = |pod: &NamespacedName| *self.modes.get(pod).unwrap_or(&of_new);
        let other = wanted.iter().filter(|(pod, mode)| has(pod) != **mode);
        let other: BTreeMap<NamespacedName, AuditMode> =
            other.map(|(pod, mode)| (pod.clone(), *mode)).collect();
        if !other.is_empty() {
            self.cluster.audit(&other).await.map_err(BackendError::new)?;
        }
        self.modes = wanted;
        Ok(())
    }
}

impl Backend for ClusterBackend {
    async fn apply(&mut self, step: &Step, model: &PolicyModel<'_>) -> Result<AppliedStep, BackendError> {
        self.topology = step.topology.clone();
        self.is_all_known = false;
        let version = self.cluster.facts().cilium.version;
        borrowing::check(self.cluster.borrowed(), &step.topology, version)?;
        self.cluster.apply(&step.topology).await.map_err(BackendError::new)?;
        let applied = self
            .cluster
            .put_in_force(&step.policies, step.field_validation)
            .await
            .map_err(BackendError::new)?;
        self.audit(step).await?;
        let identities = model.pod_labels();
        let wanted = SettleGoal { applied: &applied, identities: &identities, deadline: SETTLE };
        let begin = Instant::now();
        let settled = self.cluster.settle(wanted).await.map_err(BackendError::new)?;
        let settled_after = begin.elapsed();
        self.cluster.serve_on_nodes(&step.topology).await.map_err(BackendError::new)?;
        let said = |(index, refusal): (&usize, &ClusterRefusal)| {
            (*index, ObjectRefusal { by: refusal.by, message: refusal.message.clone() })
        };
        let refused = applied.refused.iter().chain(&settled.refused).map(said).collect();
        self.is_all_known = true;
        Ok(AppliedStep { refused: Some(refused), settled: Some(settled_after) })
    }

    fn keep_connections(&mut self, attempts: BTreeSet<Attempt>) {
        self.kept = attempts;
    }

    fn begin(&mut self, number: AttemptNumber, source: &Endpoint, attempt: &Attempt) {
        let known = KnownToOrders { addresses: self.cluster.addresses(), kept: &self.kept, trusts: None };
        let told = order(number, source, attempt, self.run_options.timeout, known).and_then(|order| {
            if self.cluster.tell(source, order) { Ok(()) } else { Err(format!("{source} has no probe")) }
        });
        self.in_flight.begin(number, source, told);
    }

    fn end(&mut self, number: AttemptNumber, scope: EndScope) {
        self.in_flight.end(number, scope, |source, order| self.cluster.tell(source, order));
    }

    async fn next(&mut self) -> BackendEvent {
        if let Some(event) = self.in_flight.refused() {
            return event;
        }
        loop {
            tokio::select! {
                biased;
                event = self.flows.next() => return event,
                heard = self.cluster.next() => match heard {
                    ProbeEvent::Flushed => return BackendEvent::Reported,
                    ProbeEvent::Gone(endpoint, reason) => return BackendEvent::Gone(endpoint, reason),
                    ProbeEvent::Report(endpoint, report) => {
                        let server = |number| self.cluster.server(&endpoint, number);
                        if let Some(event) = self.in_flight.backend_event(report, server).filter(is_of_the_table) {
                            return with_true_client(event, &self.own_service_clients);
                        }
                    }
                },
            }
        }
    }

    fn ask_servers(&mut self) -> bool {
        self.cluster.flush();
        true
    }

    /// Hubble in an agent shows its latest event only when the next one arrives, so this makes one: a connection from a
    /// pod to its node, with any outcome.
    fn flush(&mut self) -> Duration {
        let lag = self.flows.flush();
        let addresses = self.cluster.addresses();
        let node = self.cluster.facts().nodes.values().flat_map(|node| &node.addresses).copied();
        let is_pod =
            |site: &&Endpoint| matches!(site, Endpoint::Pod(_)) && self.topology.node_of(site).is_none();
        let pods = self.cluster.endpoints_with_probes().filter(is_pod);
        let pairs = pods.flat_map(|pod| node.clone().map(move |address| (pod, address)));
        let mut reachable = pairs.filter(|(pod, node)| addresses.reachable(pod, &[*node]).is_some());
        let Some((pod, address)) = reachable.next() else { return lag };
        let action = wire::Action::Tcp { target: wire::WireTarget::Address(address), port: DISCARD };
        let attempt = wire::WireAttempt {
            attempt: FIRST_RETRIGGER + self.retriggers,
            action,
            timeout: RETRIGGER_TIMEOUT,
        };
        self.cluster.tell(pod, wire::Order::Attempt(attempt));
        self.retriggers += 1;
        lag
    }

    fn flowing(&self) -> FlowState {
        self.flows.flowing()
    }

    fn destinations(&self, source: &Endpoint, attempt: &Attempt) -> Destinations {
        let addresses = self.cluster.addresses();
        let mut found =
            destinations(source, attempt, &self.topology, &addresses.endpoints, |service, protocol, port| {
                addresses.behind(&self.topology, service, protocol, port)
            });
        // The cluster's own DNS server and the programs of borrowed pods report no arrivals.
        let ours = |socket: &SocketAddr| {
            let serving =
                self.cluster.endpoints_with_probes().filter(|endpoint| !self.cluster.is_borrowed(endpoint));
            serving
                .filter_map(|endpoint| addresses.endpoints.get(endpoint))
                .flatten()
                .any(|address| *address == socket.ip())
        };
        let of_node = |socket: &SocketAddr| {
            let mut nodes = self.topology.nodes.keys().cloned().map(Endpoint::Node);
            let has = |node: &Endpoint| {
                addresses.endpoints.get(node).is_some_and(|list| list.contains(&socket.ip()))
            };
            nodes.any(|node| is_served_by_node(&node, socket.port()) && has(&node))
        };
        found.tells &= found.sockets.iter().all(|socket| ours(socket) && !of_node(socket))
            && !is_told_of_a_node(source, attempt, &found.sockets, addresses);
        found
    }

    fn now(&self) -> Duration {
        self.cluster.begin().elapsed()
    }

    async fn keep_evidence(&mut self, scenario: &str, step: &str) -> Result<(), BackendError> {
        self.cluster.stop_serving_on_nodes();
        let Some(folder) = &self.run_options.evidence else { return Ok(()) };
        let folder = folder.join(scenario.replace('/', "-")).join(step.replace('/', "-"));
        collect(&self.cluster, &folder, &BTreeSet::new()).await.map(drop).map_err(BackendError::new)
    }

    async fn close(mut self) -> Result<(), BackendError> {
        self.cluster.leave_outside().await;
        self.cluster.forget_names().await;
        if self.run_options.keep {
            return Ok(());
        }
        if self.is_all_known {
            return self.cluster.remove_all().await.map_err(BackendError::new);
        }
        let connection = self.cluster.connection().clone();
        let whose = CleanScope::Run(self.cluster.run().clone());
        let progress = self.cluster.progress().clone();
        drop(self.cluster);
        clean(&connection, &whose, &progress).await.map_err(BackendError::new)?;
        Ok(())
    }
}

/// Whether a server sees the address of the source's node in place of the source's, because Cilium masquerades what
/// leaves the cluster, while the attempt does not carry its number.
/// <https://docs.cilium.io/en/stable/network/concepts/masquerading/>
fn is_told_of_a_node(
    source: &Endpoint,
    attempt: &Attempt,
    sockets: &[SocketAddr],
    addresses: &Addresses,
) -> bool {
    let carries_number = match attempt.plain() {
        Attempt::Http { .. } | Attempt::Connect { protocol: Protocol::Udp, .. } => true,
        Attempt::Connect { .. }
        | Attempt::Ping { .. }
        | Attempt::IcmpMessage { .. }
        | Attempt::Dns { .. }
        | Attempt::OfFamily { .. }
        | Attempt::Kept { .. } => false,
    };
    let mut outside =
        addresses.endpoints.iter().filter(|(endpoint, _)| matches!(endpoint, Endpoint::World(_)));
    let is_outside = outside.any(|(_, list)| sockets.iter().any(|socket| list.contains(&socket.ip())));
    matches!(source, Endpoint::Pod(_)) && is_outside && !carries_number
}

/// Whether an event is not about a retrigger connection.
fn is_of_the_table(event: &BackendEvent) -> bool {
    match event {
        BackendEvent::Bound { number, .. }
        | BackendEvent::StageEnded { number, .. }
        | BackendEvent::Finished { number, .. }
        | BackendEvent::Arrived { number: Some(number), .. } => number.0 < FIRST_RETRIGGER,
        BackendEvent::Arrived { number: None, .. }
        | BackendEvent::Reported
        | BackendEvent::Flow(_)
        | BackendEvent::Lost(_)
        | BackendEvent::Regained
        | BackendEvent::Gone(..) => true,
    }
}
