//! The `lab` backend: attempts by real sockets in network namespaces of this machine.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use verdikt_engine::cluster::{Cluster, Learned};
use verdikt_engine::in_force::InForce;
use verdikt_lab::lab::{Lab, Signal as LabSignal};
use verdikt_lab::namespace::AgentProgram;
use verdikt_probe::wire;
use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::flow::Flow;
use verdikt_scenario::observation::Outcome;
use verdikt_scenario::scenario::Step;
use verdikt_scenario::topology::{Endpoint, Topology};
use verdikt_scenario::version::CiliumVersion;

use crate::backend::{Applied, AttemptNumber, Backend, BackendError, Destinations, Signal};
use crate::destinations::destinations;
use crate::rejections::options;
use crate::wire_words::{order, signal};

/// The name of the backend in reports.
pub const NAME: &str = "lab";

/// One scenario's lab.
#[derive(Debug)]
pub struct LabBackend {
    lab: Lab,
    topology: Topology,
    in_force: InForce,
    version: CiliumVersion,
    timeout: Duration,
    sources: BTreeMap<AttemptNumber, Endpoint>,
    refused: VecDeque<Signal>,
    follower: Option<mpsc::UnboundedSender<Flow>>,
}

impl LabBackend {
    /// An empty lab. `agent` is the program that becomes the agents.
    pub async fn open(
        agent: AgentProgram,
        version: CiliumVersion,
        timeout: Duration,
    ) -> Result<Self, BackendError> {
        let lab = Lab::start(agent, Instant::now()).await.map_err(BackendError::new)?;
        Ok(Self {
            lab,
            topology: Topology::default(),
            in_force: InForce::default(),
            version,
            timeout,
            sources: BTreeMap::new(),
            refused: VecDeque::new(),
            follower: None,
        })
    }

    /// Sends every flow from now on there too.
    pub fn follow(&mut self, follower: mpsc::UnboundedSender<Flow>) {
        self.follower = Some(follower);
    }

    /// The lab itself.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    fn wire_target(&self, source: &Endpoint, target: &Target) -> Result<wire::Target, String> {
        let addresses = match target {
            Target::Endpoint(endpoint) => self.lab.addresses().endpoints.get(endpoint),
            Target::Service(service) => self.lab.addresses().services.get(service),
            // The names of a table are whole, and are asked for as they are.
            Target::Name(name) => return Ok(wire::Target::Name(format!("{name}."))),
        };
        let address = addresses.and_then(|addresses| self.lab.addresses().reachable(source, addresses));
        address.map(wire::Target::Address).ok_or_else(|| format!("{target} has no address"))
    }
}

impl Backend for LabBackend {
    async fn apply(&mut self, step: &Step, _: &Cluster<'_>) -> Result<Applied, BackendError> {
        let options = options(step, self.version);
        let cluster =
            Cluster::after(&self.in_force, &step.topology, &step.policies, &options, &Learned::default())
                .into_owned();
        self.in_force = self.in_force.then(&step.policies, cluster.judgements());
        self.topology = step.topology.clone();
        self.lab.apply(&step.topology, cluster, step.enforcement.audit).await.map_err(BackendError::new)?;
        Ok(Applied::default())
    }

    fn begin(&mut self, number: AttemptNumber, source: &Endpoint, attempt: &Attempt) {
        let order = order(number, attempt, self.timeout, |target| self.wire_target(source, target));
        let told = order.and_then(|order| {
            if self.lab.tell(source, order) { Ok(()) } else { Err(format!("the lab has no {source}")) }
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
            self.lab.tell(source, wire::Order::End { attempt: number.0 });
        }
    }

    async fn next(&mut self) -> Signal {
        if let Some(signal) = self.refused.pop_front() {
            return signal;
        }
        loop {
            match self.lab.next().await {
                LabSignal::Flow(flow) => {
                    if let Some(follower) = &self.follower {
                        // A follower that has gone misses nothing.
                        let _ = follower.send(flow.as_ref().clone());
                    }
                    return Signal::Flow(flow);
                }
                LabSignal::Gone(endpoint, reason) => return Signal::Gone(endpoint, reason),
                LabSignal::Report(_, report) => {
                    if let Some(signal) = signal(report) {
                        if let Signal::Finished { number, .. } = &signal {
                            self.sources.remove(number);
                        }
                        return signal;
                    }
                }
            }
        }
    }

    fn destinations(&self, source: &Endpoint, attempt: &Attempt) -> Destinations {
        let addresses = self.lab.addresses();
        destinations(source, attempt, &self.topology, &addresses.endpoints, |service, protocol, port| {
            addresses.behind(&self.topology, service, protocol, port)
        })
    }

    fn now(&self) -> Duration {
        self.lab.begin().elapsed()
    }
}
