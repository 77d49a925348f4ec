//! The `lab` backend: attempts by real sockets in network namespaces of this machine.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use verdikt_engine::cluster::{Cluster, Learned};
use verdikt_engine::in_force::InForce;
use verdikt_lab::lab::{Lab, Signal as LabSignal};
use verdikt_lab::namespace::AgentProgram;
use verdikt_lab::services;
use verdikt_probe::wire;
use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::flow::Flow;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::observation::{Outcome, StageKind};
use verdikt_scenario::scenario::Step;
use verdikt_scenario::topology::{DNS_SERVICE, Endpoint, Port, Protocol, Resolved, Topology};
use verdikt_scenario::version::CiliumVersion;

use crate::backend::{AttemptNumber, Backend, BackendError, Destinations, Signal};
use crate::rejections::options;

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

    /// What an agent is told to try; the reason if it cannot be tried.
    fn action(&self, source: &Endpoint, attempt: &Attempt) -> Result<wire::Action, String> {
        let target = |target: &Target| self.wire_target(source, target);
        Ok(match attempt {
            Attempt::Connect { protocol, target: to, port } => {
                let (target, port) = (target(to)?, port.get());
                match protocol {
                    Protocol::Tcp => wire::Action::Tcp { target, port },
                    Protocol::Udp => wire::Action::Udp { target, port },
                    Protocol::Sctp => wire::Action::Sctp { target, port },
                }
            }
            Attempt::Ping { target: to } => wire::Action::Ping { target: target(to)? },
            Attempt::Dns { name, protocol } => {
                wire::Action::Dns { name: format!("{name}."), tcp: *protocol == Protocol::Tcp }
            }
            Attempt::Http { target: to, port, request } => wire::Action::Http {
                target: target(to)?,
                port: port.get(),
                method: request.method.clone(),
                path: request.path.clone(),
                headers: request.headers.clone(),
            },
        })
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

    fn behind_service(&self, service: &NamespacedName, protocol: Protocol, port: Port) -> Vec<SocketAddr> {
        services::backends(&self.topology, self.lab.addresses(), service, protocol, port)
    }

    fn behind_endpoint(&self, endpoint: &Endpoint, port: Option<Port>) -> Vec<SocketAddr> {
        let addresses = self.lab.addresses().endpoints.get(endpoint).into_iter().flatten();
        addresses.map(|address| SocketAddr::new(*address, port.map_or(0, Port::get))).collect()
    }
}

impl Backend for LabBackend {
    async fn apply(&mut self, step: &Step) -> Result<(), BackendError> {
        let options = options(step, self.version);
        let cluster =
            Cluster::after(&self.in_force, &step.topology, &step.policies, &options, &Learned::default())
                .into_owned();
        self.in_force = self.in_force.then(&step.policies, cluster.judgements());
        self.topology = step.topology.clone();
        self.lab.apply(&step.topology, cluster, step.enforcement.audit).await.map_err(BackendError::new)
    }

    fn begin(&mut self, number: AttemptNumber, source: &Endpoint, attempt: &Attempt) {
        let told = self.action(source, attempt).and_then(|action| {
            let timeout = u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX);
            let order = wire::Order::Attempt(wire::Attempt { attempt: number.0, action, timeout });
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
        let protocol = match attempt {
            Attempt::Connect { protocol, .. } | Attempt::Dns { protocol, .. } => *protocol,
            Attempt::Ping { .. } | Attempt::Http { .. } => Protocol::Tcp,
        };
        let port = attempt.port();
        let through = |service: &NamespacedName| {
            port.map(|port| self.behind_service(service, protocol, port)).unwrap_or_default()
        };
        let dns = || DNS_SERVICE.parse().map(|service| through(&service)).unwrap_or_default();
        let sockets = match attempt.target() {
            None => dns(),
            Some(Target::Endpoint(endpoint)) => self.behind_endpoint(endpoint, port),
            Some(Target::Service(service)) => through(service),
            Some(Target::Name(name)) => match self.topology.resolve(name) {
                Some(Resolved::Service(service)) => through(&service),
                Some(Resolved::World(host)) => self.behind_endpoint(&Endpoint::World(host), port),
                None => Vec::new(),
            },
        };
        let own = self.behind_endpoint(source, port);
        // A pod that reaches itself arrives under another address, and an echo is answered by the kernel.
        let itself = sockets.iter().any(|socket| own.iter().any(|own| own.ip() == socket.ip()));
        let tells = !matches!(attempt, Attempt::Ping { .. }) && !sockets.is_empty() && !itself;
        Destinations { sockets, tells }
    }

    fn now(&self) -> Duration {
        self.lab.begin().elapsed()
    }
}

/// What an agent's report means to a run; none if nothing.
fn signal(report: wire::Report) -> Option<Signal> {
    Some(match report {
        wire::Report::Bound(bound) => Signal::Bound {
            number: AttemptNumber(bound.attempt),
            stage: match bound.stage {
                wire::Stage::LookUp => StageKind::LookUp,
                wire::Stage::Connect => StageKind::Connect,
                wire::Stage::Request => StageKind::Request,
            },
            protocol: protocol(bound.transport),
            local: canonical(bound.local),
            remote: canonical(bound.remote),
        },
        wire::Report::StageEnded { attempt, outcome: ended, addresses, took } => Signal::StageEnded {
            number: AttemptNumber(attempt),
            outcome: outcome(ended),
            addresses,
            took: Duration::from_micros(took),
        },
        wire::Report::Finished { attempt, outcome: ended, .. } => {
            Signal::Finished { number: AttemptNumber(attempt), outcome: outcome(ended) }
        }
        wire::Report::Arrived(arrived) => Signal::Arrived {
            protocol: protocol(arrived.transport),
            peer: canonical(arrived.peer),
            number: arrived.attempt.map(AttemptNumber),
        },
        wire::Report::Ready { .. }
        | wire::Report::Serving { .. }
        | wire::Report::NotServing { .. }
        | wire::Report::Misunderstood { .. } => return None,
    })
}

fn canonical(socket: SocketAddr) -> SocketAddr {
    let address: IpAddr = socket.ip().to_canonical();
    SocketAddr::new(address, socket.port())
}

fn protocol(transport: wire::Transport) -> Option<Protocol> {
    match transport {
        wire::Transport::Tcp => Some(Protocol::Tcp),
        wire::Transport::Udp => Some(Protocol::Udp),
        wire::Transport::Sctp => Some(Protocol::Sctp),
        wire::Transport::Icmp => None,
    }
}

fn outcome(outcome: wire::Outcome) -> Outcome {
    match outcome {
        wire::Outcome::Answered => Outcome::Answered,
        wire::Outcome::Refused => Outcome::Refused,
        wire::Outcome::Reset => Outcome::Reset,
        wire::Outcome::Unreachable => Outcome::Unreachable,
        wire::Outcome::TimedOut => Outcome::TimedOut,
        wire::Outcome::Ended => Outcome::Ended,
        wire::Outcome::NameRefused => Outcome::NameRefused,
        wire::Outcome::NoSuchName => Outcome::NoSuchName,
        wire::Outcome::NameFailed(code) => Outcome::NameFailed(code),
        wire::Outcome::HttpStatus(status) => Outcome::HttpStatus(status),
        wire::Outcome::Garbled(reason) => Outcome::Garbled(reason),
        wire::Outcome::NotAttempted(reason) => Outcome::NotAttempted(reason),
    }
}
