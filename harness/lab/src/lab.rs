//! A lab: one topology with real sockets, through all steps of its scenario.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use verdikt_engine::cluster::{Cluster, Learned, Options};
use verdikt_probe::wire::{FORMAT, Order, Report, Resolver, Serve};
use verdikt_scenario::flow::Flow;
use verdikt_scenario::topology::{Endpoint, Topology};

use crate::addresses::{Addresses, all_endpoints};
use crate::agent::{Agent, Heard};
use crate::carrier::Carrier;
use crate::current::CurrentPolicy;
use crate::datapath::{LinkId, LinkOwner};
use crate::error::LabError;
use crate::identities::Identities;
use crate::names::{self, Resolution};
use crate::namespace::{AgentProgram, Keeper, Process, Site, Wanted};
use crate::policy::Owner;
use crate::proxy::Proxies;
use crate::redirect::Redirects;
use crate::servers;
use crate::services;

/// How long an agent may take to start or to listen.
const AGENT_DEADLINE: Duration = Duration::from_secs(10);

/// A topology that lives.
#[derive(Debug)]
pub struct Lab {
    agent: AgentProgram,
    begin: Instant,
    addresses: Addresses,
    identities: Identities,
    policy: Arc<CurrentPolicy>,
    sites: BTreeMap<Endpoint, Occupied>,
    last_link: usize,
    last_server: u64,
    heard: mpsc::UnboundedReceiver<(Endpoint, Heard)>,
    hears: mpsc::UnboundedSender<(Endpoint, Heard)>,
    flows: mpsc::UnboundedReceiver<Flow>,
    waiting: VecDeque<Signal>,
    // Dropped in this order: the devices must be carried as long as proxies and agents live.
    #[expect(dead_code, reason = "the proxies live as long as this is held")]
    proxies: Proxies,
    carrier: Carrier,
    keeper: Keeper,
}

/// An endpoint that lives.
#[derive(Debug)]
struct Occupied {
    link: LinkId,
    addresses: Vec<IpAddr>,
    agent: Agent,
    servers: BTreeMap<u64, Serve>,
    resolver: Resolver,
    #[expect(dead_code, reason = "the agent lives as long as this is held")]
    process: Process,
}

/// Something a lab tells while attempts are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// An agent reports.
    Report(Endpoint, Report),
    /// An agent has ended, for this reason.
    Gone(Endpoint, String),
    /// The datapath or a proxy reports.
    Flow(Box<Flow>),
}

impl Lab {
    /// A lab without any endpoint yet. Times of flows are counted from `begin`.
    pub async fn start(agent: AgentProgram, begin: Instant) -> Result<Self, LabError> {
        let keeper = Keeper::start().map_err(LabError::Namespace)?;
        let (tells, flows) = mpsc::unbounded_channel();
        let (hears, heard) = mpsc::unbounded_channel();
        let policy = Arc::new(CurrentPolicy::new(
            Cluster::new(&Topology::default(), &[], &Options::default(), &Learned::default()).into_owned(),
            BTreeMap::new(),
            false,
        ));
        let redirects = Arc::new(Redirects::default());
        let carrier = Carrier::start(Arc::clone(&policy), Arc::clone(&redirects), tells.clone(), begin)
            .map_err(LabError::Datapath)?;
        let link = LinkId(0);
        let (proxies, device) = Proxies::start(&keeper, Arc::clone(&policy), redirects, tells, begin)
            .map_err(LabError::Namespace)?;
        carrier.attach(link, LinkOwner::Proxy, device).await.map_err(LabError::Datapath)?;
        Ok(Self {
            agent,
            begin,
            addresses: Addresses::default(),
            identities: Identities::default(),
            policy,
            sites: BTreeMap::new(),
            last_link: link.0,
            last_server: 0,
            heard,
            hears,
            flows,
            waiting: VecDeque::new(),
            proxies,
            carrier,
            keeper,
        })
    }

    /// Makes this topology and these policies the ones in force. What stays of the topology before lives on, with
    /// its connections. Returns when every server listens.
    pub async fn apply(
        &mut self,
        topology: &Topology,
        cluster: Cluster<'static>,
        audit: bool,
    ) -> Result<(), LabError> {
        let addresses = self.addresses.next(topology);
        let wanted = all_endpoints(topology);
        let leaving: Vec<Endpoint> = self
            .sites
            .iter()
            .filter(|(endpoint, site)| {
                !wanted.contains(endpoint) || addresses.endpoints.get(endpoint) != Some(&site.addresses)
            })
            .map(|(endpoint, _)| endpoint.clone())
            .collect();
        for endpoint in leaving {
            self.leave(&endpoint).await?;
        }
        self.addresses = addresses;
        self.identities.extend(&wanted, &cluster);
        let mut starting = BTreeSet::new();
        for endpoint in &wanted {
            if let Some(site) = self.sites.get(endpoint) {
                let identity = self.identities.number(endpoint);
                self.carrier.identify(site.link, identity).await.map_err(LabError::Datapath)?;
            } else {
                self.enter(endpoint).await?;
                starting.insert(endpoint.clone());
            }
        }
        let by_address = self
            .addresses
            .endpoints
            .iter()
            .flat_map(|(endpoint, list)| {
                let owner = Owner { endpoint: endpoint.clone(), identity: self.identities.number(endpoint) };
                list.iter().map(move |address| (*address, owner.clone()))
            })
            .collect();
        self.carrier.services(services::of(topology, &self.addresses)).await.map_err(LabError::Datapath)?;
        self.policy.replace(cluster, by_address, audit);
        self.furnish(topology, starting).await
    }

    fn owner(&self, endpoint: &Endpoint) -> LinkOwner {
        LinkOwner::Endpoint {
            endpoint: endpoint.clone(),
            addresses: self.addresses.endpoints.get(endpoint).cloned().unwrap_or_default(),
            identity: self.identities.number(endpoint),
        }
    }

    async fn enter(&mut self, endpoint: &Endpoint) -> Result<(), LabError> {
        let addresses = self.addresses.endpoints.get(endpoint).cloned().unwrap_or_default();
        let wanted =
            Wanted { name: endpoint.to_string(), addresses: addresses.clone(), local_prefixes: Vec::new() };
        let Site { device, pid, orders, reports, process } =
            self.keeper.site(wanted, self.agent.clone()).map_err(LabError::Namespace)?;
        let agent = Agent::start(pid, orders, reports, endpoint.clone(), self.hears.clone())
            .map_err(LabError::Datapath)?;
        self.last_link += 1;
        let link = LinkId(self.last_link);
        let owner = self.owner(endpoint);
        self.carrier.attach(link, owner, device).await.map_err(LabError::Datapath)?;
        let (servers, resolver) = (BTreeMap::new(), Resolver::default());
        let occupied = Occupied { link, addresses, agent, servers, resolver, process };
        self.sites.insert(endpoint.clone(), occupied);
        Ok(())
    }

    async fn leave(&mut self, endpoint: &Endpoint) -> Result<(), LabError> {
        let Some(occupied) = self.sites.remove(endpoint) else { return Ok(()) };
        self.carrier.detach(occupied.link).await.map_err(LabError::Datapath)
    }

    /// Brings what the endpoints serve, and how they resolve names, up to date; waits until all of it is so.
    async fn furnish(
        &mut self,
        topology: &Topology,
        mut starting: BTreeSet<Endpoint>,
    ) -> Result<(), LabError> {
        let zone = names::zone(topology, &self.addresses);
        let mut listening = BTreeSet::new();
        for (endpoint, site) in &mut self.sites {
            let wanted = servers::of(topology, endpoint, &zone);
            let stale: Vec<u64> =
                site.servers.iter().filter(|(_, serve)| !wanted.contains(serve)).map(|(id, _)| *id).collect();
            for server in stale {
                site.servers.remove(&server);
                site.agent.tell(Order::StopServing { server });
            }
            for serve in wanted {
                if site.servers.values().any(|served| *served == serve) {
                    continue;
                }
                self.last_server += 1;
                site.servers.insert(self.last_server, serve.clone());
                listening.insert((endpoint.clone(), self.last_server));
                site.agent.tell(Order::Serve(Serve { server: self.last_server, ..serve }));
            }
            let resolver = names::resolver(endpoint, &zone, &self.addresses);
            if resolver != site.resolver {
                site.resolver = resolver.clone();
                site.agent.tell(Order::Resolve(resolver));
            }
        }
        let deadline = Instant::now() + AGENT_DEADLINE;
        while !starting.is_empty() || !listening.is_empty() {
            let Ok(heard) = tokio::time::timeout_at(deadline.into(), self.heard.recv()).await else {
                let late = starting.into_iter().chain(listening.into_iter().map(|(endpoint, _)| endpoint));
                return Err(LabError::Late { endpoints: late.collect(), after: AGENT_DEADLINE });
            };
            let Some((endpoint, heard)) = heard else { continue };
            match heard {
                Heard::Report(Report::Ready { format: FORMAT }) => {
                    starting.remove(&endpoint);
                }
                Heard::Report(Report::Ready { format }) => {
                    return Err(LabError::Format { endpoint, format });
                }
                Heard::Report(Report::Serving { server, .. }) => {
                    listening.remove(&(endpoint, server));
                }
                Heard::Report(Report::NotServing { server, reason }) => {
                    let serve = self.sites.get(&endpoint).and_then(|site| site.servers.get(&server));
                    let port = serve.map_or(0, |serve| serve.port);
                    return Err(LabError::NotServing { endpoint, port, reason });
                }
                other => self.waiting.extend(self.signal(endpoint, other)),
            }
        }
        Ok(())
    }

    /// Tells the agent of an endpoint something; false if the lab has no such endpoint.
    pub fn tell(&self, endpoint: &Endpoint, order: Order) -> bool {
        let site = self.sites.get(endpoint);
        if let Some(site) = site {
            site.agent.tell(order);
        }
        site.is_some()
    }

    /// The next thing that happens. Cancel-safe.
    pub async fn next(&mut self) -> Signal {
        loop {
            if let Some(signal) = self.waiting.pop_front() {
                return signal;
            }
            tokio::select! {
                biased;
                Some((endpoint, heard)) = self.heard.recv() => {
                    if let Some(signal) = self.signal(endpoint, heard) {
                        return signal;
                    }
                }
                Some(flow) = self.flows.recv() => return Signal::Flow(Box::new(flow)),
            }
        }
    }

    /// A signal for what an agent says; none for an agent that was sent away.
    fn signal(&self, endpoint: Endpoint, heard: Heard) -> Option<Signal> {
        match heard {
            Heard::Report(report) => Some(Signal::Report(endpoint, report)),
            Heard::Gone(_) if !self.sites.contains_key(&endpoint) => None,
            Heard::Gone(reason) => Some(Signal::Gone(endpoint, reason)),
        }
    }

    /// The addresses in use.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// How programs inside an endpoint resolve names: the same as its agent.
    pub fn resolution(&self, topology: &Topology, endpoint: &Endpoint) -> Resolution {
        let zone = names::zone(topology, &self.addresses);
        let own = self.addresses.endpoints.get(endpoint).map_or(&[][..], Vec::as_slice);
        names::resolution(&names::resolver(endpoint, &zone, &self.addresses), endpoint, own)
    }

    /// When times begin.
    pub fn begin(&self) -> Instant {
        self.begin
    }

    /// The process of an endpoint's agent.
    pub fn agent_pid(&self, endpoint: &Endpoint) -> Option<u32> {
        self.sites.get(endpoint).map(|site| site.agent.pid)
    }
}
