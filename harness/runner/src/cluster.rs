//! The `cluster` backend: attempts by pods of a Kubernetes cluster, met by the real datapath of Cilium.

mod fitness;
mod flows;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use verdikt_cluster::clean::{Whose, clean};
use verdikt_cluster::cluster::{Cluster, Options, Signal as ClusterSignal};
use verdikt_cluster::connect::Connection;
use verdikt_cluster::evidence::collect;
use verdikt_cluster::inspect::Facts;
use verdikt_cluster::objects::FieldValidation;
use verdikt_cluster::policies::Refusal as ClusterRefusal;
use verdikt_cluster::settle::Wanted;
use verdikt_engine::cluster::Cluster as Prediction;
use verdikt_probe::wire;
use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::observation::Outcome;
use verdikt_scenario::scenario::{self, Step};
use verdikt_scenario::topology::{Endpoint, Topology};
use verdikt_verdict::event::Refusal;

use self::flows::Flows;
use crate::backend::{Applied, AttemptNumber, Backend, BackendError, Destinations, Flowing, Signal};
use crate::destinations::destinations;
use crate::wire_words::{order, signal};

pub use self::fitness::unfit;
pub use self::flows::{FlowsError, choose as choose_flows};
pub use verdikt_hubble::way::Choice as FlowsOf;

/// Attempts from this number on are no attempts of a table.
const FIRST_NUDGE: u64 = 1 << 63;
/// How long they may take, in milliseconds.
const NUDGE: u32 = 300;
/// A port on which nobody listens.
const DISCARD: u16 = 9;
/// How long a step may take to settle.
const SETTLE: Duration = Duration::from_mins(1);

/// A scenario's topology in a cluster.
#[derive(Debug)]
pub struct ClusterBackend {
    cluster: Cluster,
    flows: Flows,
    topology: Topology,
    manner: Manner,
    /// Whether the pods are in audit mode.
    audit: bool,
    nudges: u64,
    sources: BTreeMap<AttemptNumber, Endpoint>,
    refused: VecDeque<Signal>,
}

/// How a cluster is used.
#[derive(Clone, Debug)]
pub struct Manner {
    /// After how long a stage of an attempt times out.
    pub timeout: Duration,
    /// Whether what is made stays there.
    pub keep: bool,
    /// The folder for what may explain a step that is not as expected: a folder for each scenario, and in it one for
    /// each step.
    pub evidence: Option<PathBuf>,
    /// Whose flows are followed, as [`choose_flows`] says.
    pub flows: FlowsOf,
}

impl ClusterBackend {
    /// No topology yet, in a cluster that is taken for this run.
    pub async fn open(
        connection: Connection,
        facts: Facts,
        options: Options,
        manner: Manner,
    ) -> Result<Self, BackendError> {
        let (begin, at) = (Instant::now(), SystemTime::now());
        let flows = Flows::follow(&connection, &facts, &manner.flows, at).await.map_err(BackendError::new)?;
        let cluster = Cluster::open(connection, facts, options, begin).await.map_err(BackendError::new)?;
        let audit = cluster.facts().cilium.audit();
        let (sources, refused) = (BTreeMap::new(), VecDeque::new());
        Ok(Self { cluster, flows, topology: Topology::default(), manner, audit, nudges: 0, sources, refused })
    }

    fn wire_target(&self, source: &Endpoint, target: &Target) -> Result<wire::Target, String> {
        let addresses = match target {
            Target::Endpoint(endpoint) => self.cluster.addresses().endpoints.get(endpoint),
            Target::Service(service) => self.cluster.addresses().services.get(service),
            // The names of a table are whole, and are asked for as they are.
            Target::Name(name) => return Ok(wire::Target::Name(format!("{name}."))),
        };
        let address = addresses.and_then(|addresses| self.cluster.addresses().reachable(source, addresses));
        address.map(wire::Target::Address).ok_or_else(|| format!("{target} has no address"))
    }
}

impl Backend for ClusterBackend {
    async fn apply(&mut self, step: &Step, prediction: &Prediction<'_>) -> Result<Applied, BackendError> {
        self.topology = step.topology.clone();
        self.cluster.apply(&step.topology).await.map_err(BackendError::new)?;
        let validation = match step.field_validation {
            scenario::FieldValidation::Strict => FieldValidation::Strict,
            scenario::FieldValidation::Ignore => FieldValidation::Ignore,
        };
        let applied =
            self.cluster.put_in_force(&step.policies, validation).await.map_err(BackendError::new)?;
        if self.audit != step.enforcement.audit {
            self.audit = step.enforcement.audit;
            self.cluster.audit(self.audit).await.map_err(BackendError::new)?;
        }
        let identities = prediction.pod_labels();
        let wanted = Wanted { applied: &applied, identities: &identities, deadline: SETTLE };
        let begin = Instant::now();
        let settled = self.cluster.settle(wanted).await.map_err(BackendError::new)?;
        let said = |(index, refusal): (&usize, &ClusterRefusal)| {
            (*index, Refusal { by: refusal.by, message: refusal.message.clone() })
        };
        let refused = applied.refused.iter().chain(&settled.refused).map(said).collect();
        Ok(Applied { refused: Some(refused), settled: Some(begin.elapsed()) })
    }

    fn begin(&mut self, number: AttemptNumber, source: &Endpoint, attempt: &Attempt) {
        let order = order(number, attempt, self.manner.timeout, |target| self.wire_target(source, target));
        let told = order.and_then(|order| {
            if self.cluster.tell(source, order) { Ok(()) } else { Err(format!("{source} has no agent")) }
        });
        match told {
            Ok(()) => drop(self.sources.insert(number, source.clone())),
            Err(reason) => {
                let outcome = Outcome::NotAttempted(reason);
                self.refused.push_back(Signal::Finished { number, outcome });
            }
        }
    }

    fn end(&mut self, number: AttemptNumber) {
        if let Some(source) = self.sources.get(&number) {
            self.cluster.tell(source, wire::Order::End { attempt: number.0 });
        }
    }

    async fn next(&mut self) -> Signal {
        if let Some(signal) = self.refused.pop_front() {
            return signal;
        }
        loop {
            tokio::select! {
                biased;
                signal = self.flows.next() => return signal,
                heard = self.cluster.next() => match heard {
                    ClusterSignal::Gone(endpoint, reason) => return Signal::Gone(endpoint, reason),
                    ClusterSignal::Report(_, report) => {
                        if let Some(signal) = signal(report).filter(is_of_the_table) {
                            if let Signal::Finished { number, .. } = &signal {
                                self.sources.remove(number);
                            }
                            return signal;
                        }
                    }
                },
            }
        }
    }

    /// An agent of Cilium shows its newest event only when the next one is there, so one is provoked: a connection
    /// from a pod to its node, whatever becomes of it.
    fn flush(&mut self) -> Duration {
        let lag = self.flows.flush();
        let addresses = self.cluster.addresses();
        let node = self.cluster.facts().nodes.values().flat_map(|node| &node.addresses).copied();
        let pods = self.cluster.sites().filter(|site| matches!(site, Endpoint::Pod(_)));
        let pairs = pods.flat_map(|pod| node.clone().map(move |address| (pod, address)));
        let mut reachable = pairs.filter(|(pod, node)| addresses.reachable(pod, &[*node]).is_some());
        let Some((pod, address)) = reachable.next() else { return lag };
        let action = wire::Action::Tcp { target: wire::Target::Address(address), port: DISCARD };
        let attempt = wire::Attempt { attempt: FIRST_NUDGE + self.nudges, action, timeout: NUDGE };
        self.cluster.tell(pod, wire::Order::Attempt(attempt));
        self.nudges += 1;
        lag
    }

    fn flowing(&self) -> Flowing {
        self.flows.flowing()
    }

    fn destinations(&self, source: &Endpoint, attempt: &Attempt) -> Destinations {
        let addresses = self.cluster.addresses();
        let mut found =
            destinations(source, attempt, &self.topology, &addresses.endpoints, |service, protocol, port| {
                addresses.behind(&self.topology, service, protocol, port)
            });
        // The cluster's own DNS server tells nothing.
        let ours = |socket: &SocketAddr| {
            let sites = self.cluster.sites().filter_map(|site| addresses.endpoints.get(site));
            sites.flatten().any(|address| *address == socket.ip())
        };
        found.tells &= found.sockets.iter().all(ours);
        found
    }

    fn now(&self) -> Duration {
        self.cluster.begin().elapsed()
    }

    async fn keep_evidence(&mut self, scenario: &str, step: &str) -> Result<(), BackendError> {
        let Some(folder) = &self.manner.evidence else { return Ok(()) };
        let folder = folder.join(scenario.replace('/', "-")).join(step.replace('/', "-"));
        collect(&self.cluster, &folder, &BTreeSet::new()).await.map(drop).map_err(BackendError::new)
    }

    async fn close(self) -> Result<(), BackendError> {
        let connection = self.cluster.connection().clone();
        let whose = Whose::Run(self.cluster.run().clone());
        let progress = self.cluster.progress().clone();
        self.cluster.close().await.map_err(BackendError::new)?;
        if !self.manner.keep {
            clean(&connection, &whose, &progress).await.map_err(BackendError::new)?;
        }
        Ok(())
    }
}

/// Whether a signal is about an attempt of a table, or about none.
fn is_of_the_table(signal: &Signal) -> bool {
    match signal {
        Signal::Bound { number, .. }
        | Signal::StageEnded { number, .. }
        | Signal::Finished { number, .. }
        | Signal::Arrived { number: Some(number), .. } => number.0 < FIRST_NUDGE,
        Signal::Arrived { number: None, .. }
        | Signal::Flow(_)
        | Signal::Lost(_)
        | Signal::Regained
        | Signal::Gone(..) => true,
    }
}
