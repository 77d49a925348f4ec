//! A lab: one topology with real sockets, through all steps of its scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc;
use tracing::debug;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_probes::addresses::Addresses;
use verdikt_probes::names::{resolver, zone};
use verdikt_probes::probes::{ProbeEvent, Probes};
use verdikt_probes::servers::servers;
use verdikt_scenario::flow::Flow;
use verdikt_scenario::name::DnsName;
use verdikt_scenario::prediction::Decision;
use verdikt_scenario::scenario::Enforcement;
use verdikt_scenario::topology::{Endpoint, Protocol, Topology};
use verdikt_wire::{Order, Report};

use crate::addresses::{all_endpoints, next};
use crate::current::CurrentPolicy;
use crate::datapath::{LinkId, LinkOwner, ServiceTable};
use crate::datapath_thread::DatapathThread;
use crate::error::LabError;
use crate::hidden_clients::HiddenClients;
use crate::identities::Identities;
use crate::losses::{LossCause, Losses, Lost, dropped_by_queues};
use crate::names::{self, Resolution};
use crate::namespace::{NamespaceMaker, NetnsHandle, NetnsSpec, PendingNamespace, ProbeWork};
use crate::policy::AddressOwner;
use crate::proxy::{Proxies, ProxyContext};
use crate::redirect::Redirects;
use crate::rewriting::{RewrittenSockets, TriedSocket, rewritten, to_try};
use crate::services;

/// How long a probe may take to start or to listen.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);

/// A running topology.
#[derive(Debug)]
pub struct Lab {
    probe: ProbeWork,
    begin: Instant,
    addresses: Addresses,
    identities: Identities,
    policy: Arc<CurrentPolicy>,
    sites: BTreeMap<Endpoint, RunningEndpoint>,
    probes: Probes,
    last_link: usize,
    /// The sockets that were found to reach the lab.
    untouched: BTreeSet<TriedSocket>,
    /// The ports of endpoints on which other programs serve.
    taken: BTreeSet<(Endpoint, u16)>,
    hidden: Arc<HiddenClients>,
    flows: mpsc::UnboundedReceiver<Flow>,
    losses: Arc<Losses>,
    // Dropped in this order: the devices must be carried as long as proxies and probes run.
    #[expect(dead_code, reason = "the proxies live as long as this is held")]
    proxies: Proxies,
    datapath_thread: DatapathThread,
    maker: NamespaceMaker,
}

/// A running endpoint.
#[derive(Debug)]
struct RunningEndpoint {
    link: LinkId,
    /// The addresses of its device.
    addresses: Vec<IpAddr>,
    /// The thread of its probe.
    thread: u32,
    /// The number of packets that its queues had no room for, when last counted.
    dropped: u64,
}

/// An event of a lab while attempts are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabEvent {
    /// A report of a probe.
    Report(Endpoint, Report),
    /// A probe has ended, for this reason.
    Gone(Endpoint, String),
    /// Everything that had reached servers at the last [`Lab::flush`] has been reported.
    Flushed,
    /// A flow of the datapath or a proxy.
    Flow(Box<Flow>),
    /// The lab itself has lost traffic before this.
    Lost(Lost),
}

impl Lab {
    /// A lab without endpoints. The times of flows are relative to `begin`.
    ///
    /// This future and that of [`Self::apply`] are boxed, so that the proxies and the datapath are compiled here, and
    /// not in every program that has a lab.
    pub fn start(probe: ProbeWork, begin: Instant) -> LocalBoxFuture<'static, Result<Self, LabError>> {
        Box::pin(Self::started(probe, begin))
    }

    async fn started(probe: ProbeWork, begin: Instant) -> Result<Self, LabError> {
        let maker = NamespaceMaker::start().map_err(LabError::Namespace)?;
        let (tells, flows) = mpsc::unbounded_channel();
        let policy = Arc::new(CurrentPolicy::new(
            PolicyModel::new(&Topology::default(), &[], &ModelOptions::default(), &LearnedNames::default())
                .into_owned(),
            BTreeMap::new(),
            Enforcement::default(),
        ));
        let redirects = Arc::new(Redirects::default());
        let losses = Arc::new(Losses::default());
        let (carried, lost) = (tells.clone(), Arc::clone(&losses));
        let hidden = Arc::new(HiddenClients::default());
        let (shared, listed) = (Arc::clone(&redirects), Arc::clone(&hidden));
        let datapath_thread =
            DatapathThread::start(Arc::clone(&policy), shared, listed, carried, lost, begin);
        let datapath_thread = datapath_thread.await.map_err(LabError::Datapath)?;
        let link = LinkId(0);
        let context = ProxyContext::new(Arc::clone(&policy), redirects, tells, Arc::clone(&losses), begin);
        let (proxies, device) = Proxies::start(&maker, context).await.map_err(LabError::Namespace)?;
        datapath_thread.attach(link, LinkOwner::Proxy, device).await.map_err(LabError::Datapath)?;
        Ok(Self {
            probe,
            begin,
            addresses: Addresses::default(),
            identities: Identities::default(),
            policy,
            sites: BTreeMap::new(),
            probes: Probes::default(),
            last_link: link.0,
            untouched: BTreeSet::new(),
            taken: BTreeSet::new(),
            hidden,
            flows,
            losses,
            proxies,
            datapath_thread,
            maker,
        })
    }

    /// Applies this topology and these policies. What the topology before has in common with it keeps its
    /// connections. Returns when every server listens.
    pub fn apply<'a>(
        &'a mut self,
        topology: &'a Topology,
        model: PolicyModel<'static>,
        enforcement: Enforcement,
    ) -> LocalBoxFuture<'a, Result<(), LabError>> {
        Box::pin(self.put_in_force(topology, model, enforcement))
    }

    async fn put_in_force(
        &mut self,
        topology: &Topology,
        model: PolicyModel<'static>,
        enforcement: Enforcement,
    ) -> Result<(), LabError> {
        let addresses = next(&self.addresses, topology);
        let wanted = all_endpoints(topology);
        debug!(endpoints = wanted.len(), before = self.sites.len(), "apply a step");
        let leaving: Vec<Endpoint> = self
            .sites
            .iter()
            .filter(|(endpoint, site)| {
                let addresses = device_addresses(&addresses, topology, endpoint);
                !wanted.contains(endpoint) || addresses != site.addresses
            })
            .map(|(endpoint, _)| endpoint.clone())
            .collect();
        for endpoint in leaving {
            self.leave(&endpoint).await?;
        }
        self.addresses = addresses;
        self.identities.extend(&wanted, &model);
        let mut entering = Vec::new();
        for endpoint in &wanted {
            if let Some(site) = self.sites.get(endpoint) {
                let identity = self.identities.number(endpoint);
                self.datapath_thread.identify(site.link, identity).await.map_err(LabError::Datapath)?;
            } else {
                let addresses = device_addresses(&self.addresses, topology, endpoint);
                entering.push((endpoint, addresses.clone(), self.make(endpoint, addresses)));
            }
        }
        for (endpoint, addresses, made) in entering {
            self.enter(endpoint, addresses, made.await.map_err(LabError::Namespace)?).await?;
        }
        let by_address = self
            .addresses
            .endpoints
            .iter()
            .flat_map(|(endpoint, list)| {
                let owner =
                    AddressOwner { endpoint: endpoint.clone(), identity: self.identities.number(endpoint) };
                list.iter().map(move |address| (*address, owner.clone()))
            })
            .collect();
        let services = services::of(topology, &self.addresses);
        self.try_sockets(topology, &services).await?;
        let relays = services::relays(topology, &self.addresses);
        self.datapath_thread.services(services, relays).await.map_err(LabError::Datapath)?;
        self.policy.replace(model, by_address, enforcement);
        self.configure(topology).await?;
        // Losses while all of this was made belong to no attempt.
        for site in self.sites.values_mut() {
            site.dropped = dropped(site.thread).unwrap_or(site.dropped);
        }
        Ok(())
    }

    /// Forgets some names that the DNS proxy has learned.
    pub fn forget_names(&self, expired: &BTreeSet<DnsName>) {
        self.policy.forget_names(expired);
    }

    /// Tests how services, nodes and hosts outside are reached, as far as they are new: nothing may rewrite their
    /// addresses.
    async fn try_sockets(&mut self, topology: &Topology, services: &ServiceTable) -> Result<(), LabError> {
        let tried = to_try(topology, &self.addresses, services);
        let new: Vec<TriedSocket> = tried.difference(&self.untouched).copied().collect();
        let found = rewritten(&self.maker, &new).await.map_err(LabError::Namespace)?;
        if !found.is_empty() {
            return Err(LabError::Rewritten(RewrittenSockets(found)));
        }
        self.untouched.extend(new);
        Ok(())
    }

    fn owner(&self, endpoint: &Endpoint) -> LinkOwner {
        LinkOwner::Endpoint {
            endpoint: endpoint.clone(),
            addresses: self.addresses.endpoints.get(endpoint).cloned().unwrap_or_default(),
            identity: self.identities.number(endpoint),
        }
    }

    fn make(&self, endpoint: &Endpoint, addresses: Vec<IpAddr>) -> PendingNamespace<NetnsHandle> {
        let wanted = NetnsSpec { name: endpoint.to_string(), addresses, local_prefixes: Vec::new() };
        self.maker.make(wanted, self.probe)
    }

    async fn enter(
        &mut self,
        endpoint: &Endpoint,
        addresses: Vec<IpAddr>,
        site: NetnsHandle,
    ) -> Result<(), LabError> {
        let NetnsHandle { device, thread, stream, failed } = site;
        let (output, input) = tokio::io::split(stream);
        // A probe that ends normally sends no reason.
        let why = async { failed.await.ok().map(|error| error.to_string()) };
        self.probes.add(endpoint.clone(), output, input, why);
        self.last_link += 1;
        let link = LinkId(self.last_link);
        let owner = self.owner(endpoint);
        self.datapath_thread.attach(link, owner, device).await.map_err(LabError::Datapath)?;
        let occupied = RunningEndpoint { link, addresses, thread, dropped: 0 };
        self.sites.insert(endpoint.clone(), occupied);
        Ok(())
    }

    async fn leave(&mut self, endpoint: &Endpoint) -> Result<(), LabError> {
        let Some(occupied) = self.sites.remove(endpoint) else { return Ok(()) };
        self.probes.remove(endpoint);
        self.datapath_thread.detach(occupied.link).await.map_err(LabError::Datapath)
    }

    /// Updates the servers of the endpoints, and how they resolve names; waits until everything is up to date.
    async fn configure(&mut self, topology: &Topology) -> Result<(), LabError> {
        let (addresses, zone, taken) = (&self.addresses, zone(topology, &self.addresses), &self.taken);
        let wanted = |endpoint: &Endpoint| {
            let mut servers = servers(topology, endpoint, &zone);
            servers.retain(|server| !taken.contains(&(endpoint.clone(), server.port)));
            (servers, resolver(topology, endpoint, &zone, addresses))
        };
        Ok(self.probes.configure(wanted, PROBE_DEADLINE).await?)
    }

    /// Serves nothing on these ports of endpoints, so that other programs can, and again on all others. Returns when
    /// that is done.
    pub async fn leave_ports(
        &mut self,
        topology: &Topology,
        taken: BTreeSet<(Endpoint, u16)>,
    ) -> Result<(), LabError> {
        let endpoints: BTreeSet<Endpoint> =
            taken.symmetric_difference(&self.taken).map(|(endpoint, _)| endpoint.clone()).collect();
        self.taken = taken;
        self.configure(topology).await?;
        for endpoint in endpoints {
            self.probes.wait_for(&endpoint, PROBE_DEADLINE).await?;
        }
        Ok(())
    }

    /// Whether another program serves on a port of an endpoint.
    pub fn is_taken(&self, endpoint: &Endpoint, port: u16) -> bool {
        self.taken.contains(&(endpoint.clone(), port))
    }

    /// Returns when every packet that was sent before has been handled: [`Self::next`] returns its flows.
    pub async fn catch_up(&self) -> Result<(), LabError> {
        self.datapath_thread.catch_up().await.map_err(LabError::Datapath)
    }

    /// What stops the traffic of a flow, by the policy in force.
    pub fn why_stopped(&self, flow: &Flow) -> Option<Decision> {
        self.policy.get().why_stopped(flow)
    }

    /// Sends an order to the probe of an endpoint; false if the lab has no such endpoint.
    pub fn tell(&self, endpoint: &Endpoint, order: Order) -> bool {
        self.probes.tell(endpoint, order)
    }

    /// Asks every server to report all that has reached it so far; [`LabEvent::Flushed`] follows.
    pub fn flush(&mut self) {
        self.probes.flush();
    }

    /// The port on which a server of an endpoint listens, by its number.
    pub fn server(&self, endpoint: &Endpoint, server: u64) -> Vec<SocketAddr> {
        self.probes.server(endpoint, server, &self.addresses)
    }

    /// The client whose connection a server has taken from `peer`: `peer` itself, or for whom this node or gateway has
    /// connected.
    pub fn client(&self, protocol: Option<Protocol>, peer: SocketAddr, server: &[SocketAddr]) -> SocketAddr {
        let hidden = |protocol| server.iter().find_map(|own| self.hidden.of(protocol, peer, *own));
        protocol.and_then(hidden).unwrap_or(peer)
    }

    /// The next event. Cancel-safe.
    pub async fn next(&mut self) -> LabEvent {
        tokio::select! {
            biased;
            heard = self.probes.next() => match heard {
                ProbeEvent::Report(endpoint, report) => LabEvent::Report(endpoint, report),
                ProbeEvent::Gone(endpoint, reason) => LabEvent::Gone(endpoint, reason),
                ProbeEvent::Flushed => LabEvent::Flushed,
            },
            Some(flow) = self.flows.recv() => LabEvent::Flow(Box::new(flow)),
            lost = self.losses.next() => LabEvent::Lost(lost),
        }
    }

    /// Counts the packets for which the queues of the endpoints' devices had no room. [`Self::next`] reports them.
    pub fn count_losses(&mut self) {
        for site in self.sites.values_mut() {
            // A probe that has ended is reported separately.
            let Some(dropped) = dropped(site.thread) else { continue };
            self.losses.add_several(LossCause::Queue, dropped.saturating_sub(site.dropped));
            site.dropped = dropped;
        }
    }

    /// The addresses in use.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The addresses and ports of the cluster's DNS servers.
    pub fn dns_servers(&self, topology: &Topology) -> Vec<SocketAddr> {
        let protocols = [Protocol::Udp, Protocol::Tcp].into_iter();
        protocols.flat_map(|protocol| self.addresses.all_dns_servers(topology, protocol)).collect()
    }

    /// How programs inside an endpoint resolve names: like its probe.
    pub fn resolution(&self, topology: &Topology, endpoint: &Endpoint) -> Resolution {
        let zone = zone(topology, &self.addresses);
        let own = self.addresses.endpoints.get(endpoint).map_or(&[][..], Vec::as_slice);
        names::resolution(&resolver(topology, endpoint, &zone, &self.addresses), endpoint, own)
    }

    /// The start of the lab's clock.
    pub fn begin(&self) -> Instant {
        self.begin
    }

    /// The thread of an endpoint's probe, which is in its network namespace.
    pub fn probe_thread(&self, endpoint: &Endpoint) -> Option<u32> {
        self.sites.get(endpoint).map(|site| site.thread)
    }
}

/// The addresses of an endpoint's device: none if the endpoint is silent, so that the kernel drops packets to it
/// without an answer.
fn device_addresses(addresses: &Addresses, topology: &Topology, endpoint: &Endpoint) -> Vec<IpAddr> {
    let own = addresses.endpoints.get(endpoint).filter(|_| !topology.silent.contains(endpoint));
    own.cloned().unwrap_or_default()
}

/// The number of packets that the queues of a thread's namespace had no room for; none if the thread has ended.
fn dropped(thread: u32) -> Option<u64> {
    let devices = std::fs::read_to_string(format!("/proc/self/task/{thread}/net/dev")).ok()?;
    Some(dropped_by_queues(&devices))
}
