//! The policy in force for datapath and proxies: the policy model with the names that the DNS proxy has learned.

mod explain;
mod interception;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use verdikt_engine::datapath::{ClientHello, PacketDecision, RequestHead};
use verdikt_engine::decide::Traffic;
use verdikt_engine::identity::Identity;
use verdikt_engine::model::PolicyModel;
use verdikt_engine::rule::Direction;
use verdikt_scenario::attempt::Scheme;
use verdikt_scenario::prediction::Decision;
use verdikt_scenario::scenario::Enforcement;
use verdikt_scenario::topology::Endpoint;

pub use self::interception::Interception;

/// The identity of an address outside the cluster that no endpoint has.
const WORLD: u32 = 2;

/// The owner of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressOwner {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its numeric identity.
    pub identity: u32,
}

/// One version of the policy, which never changes. Decisions of an older [`Self::revision`] are made again.
#[derive(Debug)]
pub struct PolicyVersion {
    model: Arc<PolicyModel<'static>>,
    /// The owners of addresses.
    endpoints: Arc<BTreeMap<IpAddr, AddressOwner>>,
    /// The learned names of addresses outside the cluster.
    names: BTreeMap<IpAddr, BTreeSet<String>>,
    revision: u64,
    enforcement: Enforcement,
}

impl PolicyVersion {
    /// A version of the policy.
    pub fn new(
        model: Arc<PolicyModel<'static>>,
        endpoints: Arc<BTreeMap<IpAddr, AddressOwner>>,
        names: BTreeMap<IpAddr, BTreeSet<String>>,
        revision: u64,
        enforcement: Enforcement,
    ) -> Self {
        Self { model, endpoints, names, revision, enforcement }
    }

    /// Increases with every change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether denials of an endpoint's packets are only reported.
    pub fn audits(&self, endpoint: &Endpoint) -> bool {
        self.enforcement.audit || self.model.audits(endpoint)
    }

    /// The endpoint that has an address.
    pub fn endpoint(&self, address: IpAddr) -> Option<&Endpoint> {
        self.endpoints.get(&address).map(|owner| &owner.endpoint)
    }

    /// The endpoint and the numeric identity of an address.
    pub fn owner(&self, address: IpAddr) -> (Option<Endpoint>, u32) {
        let owner = self.endpoints.get(&address);
        owner.map_or((None, WORLD), |owner| (Some(owner.endpoint.clone()), owner.identity))
    }

    /// Whether an endpoint never answers.
    pub fn is_silent(&self, endpoint: &Endpoint) -> bool {
        self.model.is_silent(endpoint)
    }

    /// The identity of an address: that of its endpoint, or of an address outside.
    pub fn identity(&self, address: IpAddr) -> Identity {
        let names = || self.names.get(&address).into_iter().flatten().cloned().collect::<Vec<_>>();
        match self.endpoint(address).map(|endpoint| (endpoint, self.model.identity(endpoint))) {
            Some((Endpoint::World(_), _)) | None => self.model.world_identity(address, names()),
            Some((_, Some(identity))) => identity.clone(),
            Some((_, None)) => self.model.world_identity(address, Vec::new()),
        }
    }

    /// Decides about a packet from (ingress) or to (egress) the owner of an address by the policy of `subject`.
    pub fn packet(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: IpAddr,
        traffic: Traffic,
    ) -> PacketDecision {
        if self.endpoint(peer).is_some_and(|peer| self.model.are_one_node(subject, peer)) {
            return PacketDecision::not_enforced();
        }
        self.model.decide_packet(subject, direction, &self.identity(peer), traffic)
    }

    /// Whether an endpoint is a gateway with routes.
    pub fn is_gateway(&self, endpoint: &Endpoint) -> bool {
        self.model.is_gateway(endpoint)
    }

    /// Where the gateway sends a request: to the first backend of the route that has an address of the client's
    /// family.
    pub fn route(&self, authority: Option<&str>, path: &str, client: IpAddr) -> Option<SocketAddr> {
        self.model.behind_route(authority, path).into_iter().find_map(|(backend, port)| {
            let mut own = self.endpoints.iter().filter(|(_, owner)| owner.endpoint == backend);
            let (address, _) = own.find(|(address, _)| address.is_ipv4() == client.is_ipv4())?;
            Some(SocketAddr::new(*address, port.get()))
        })
    }

    /// Decides about an HTTP request.
    pub fn request(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: IpAddr,
        traffic: Traffic,
        request: &RequestHead<'_>,
        scheme: Scheme,
    ) -> Decision {
        self.model.decide_request(subject, direction, &self.identity(peer), traffic, request, scheme)
    }

    /// Decides about the start of a connection.
    pub fn hello(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: IpAddr,
        traffic: Traffic,
        hello: ClientHello<'_>,
    ) -> Decision {
        self.model.decide_hello(subject, direction, &self.identity(peer), traffic, hello)
    }

    /// Decides about a DNS query.
    pub fn query(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: IpAddr,
        traffic: Traffic,
        name: &str,
    ) -> Decision {
        self.model.decide_query(subject, direction, &self.identity(peer), traffic, name)
    }
}
