//! The policy in force, as datapath and proxies ask it: the engine's, with what the DNS proxy has learned.

mod explain;
mod interception;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use verdikt_engine::decide::Traffic;
use verdikt_engine::identity::Identity;
use verdikt_engine::model::PolicyModel;
use verdikt_engine::rule::Direction;
use verdikt_engine::ruling::{Hello, RequestHead, Ruling};
use verdikt_scenario::attempt::Scheme;
use verdikt_scenario::prediction::Finding;
use verdikt_scenario::scenario::Enforcement;
use verdikt_scenario::topology::Endpoint;

pub use self::interception::Interception;

/// The identity of an address outside the cluster that nobody has.
const WORLD: u32 = 2;

/// Who has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressOwner {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its numeric identity.
    pub identity: u32,
}

/// One version of the policy; never changes. What was judged by an older [`Self::revision`] is judged anew.
#[derive(Debug)]
pub struct PolicyVersion {
    model: Arc<PolicyModel<'static>>,
    /// Who has an address.
    endpoints: Arc<BTreeMap<IpAddr, AddressOwner>>,
    /// The names learned for an address outside the cluster.
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

    /// Grows with every change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether denials of an endpoint's packets are reported only.
    pub fn audits(&self, endpoint: &Endpoint) -> bool {
        self.enforcement.audit || self.model.audits(endpoint)
    }

    /// The endpoint that has an address.
    pub fn endpoint(&self, address: IpAddr) -> Option<&Endpoint> {
        self.endpoints.get(&address).map(|owner| &owner.endpoint)
    }

    /// The endpoint that has an address, and the address's numeric identity.
    pub fn owner(&self, address: IpAddr) -> (Option<Endpoint>, u32) {
        let owner = self.endpoints.get(&address);
        owner.map_or((None, WORLD), |owner| (Some(owner.endpoint.clone()), owner.identity))
    }

    /// Whether an endpoint answers nothing.
    pub fn is_silent(&self, endpoint: &Endpoint) -> bool {
        self.model.is_silent(endpoint)
    }

    /// What Cilium knows of the owner of an address: its endpoint's identity, or that of an address outside.
    pub fn identity(&self, address: IpAddr) -> Identity {
        let names = || self.names.get(&address).into_iter().flatten().cloned().collect::<Vec<_>>();
        match self.endpoint(address).map(|endpoint| (endpoint, self.model.identity(endpoint))) {
            Some((Endpoint::World(_), _)) | None => self.model.world_identity(address, names()),
            Some((_, Some(identity))) => identity.clone(),
            Some((_, None)) => self.model.world_identity(address, Vec::new()),
        }
    }

    /// What the policy of `subject` says of a packet of (ingress) or to (egress) the owner of an address.
    pub fn packet(&self, subject: &Endpoint, direction: Direction, peer: IpAddr, traffic: Traffic) -> Ruling {
        if self.endpoint(peer).is_some_and(|peer| self.model.are_one_node(subject, peer)) {
            return Ruling::not_enforced();
        }
        self.model.rule_on(subject, direction, &self.identity(peer), traffic)
    }

    /// Whether an endpoint is a gateway that leads requests on.
    pub fn is_gateway(&self, endpoint: &Endpoint) -> bool {
        self.model.is_gateway(endpoint)
    }

    /// Where the gateway leads a request: to the first of those behind the route that has an address of the family.
    pub fn route(&self, authority: Option<&str>, path: &str, client: IpAddr) -> Option<SocketAddr> {
        self.model.behind_route(authority, path).into_iter().find_map(|(backend, port)| {
            let mut own = self.endpoints.iter().filter(|(_, owner)| owner.endpoint == backend);
            let (address, _) = own.find(|(address, _)| address.is_ipv4() == client.is_ipv4())?;
            Some(SocketAddr::new(*address, port.get()))
        })
    }

    /// What the HTTP proxy finds about a request.
    pub fn request(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: IpAddr,
        traffic: Traffic,
        request: &RequestHead<'_>,
        scheme: Scheme,
    ) -> Finding {
        self.model.rule_on_request(subject, direction, &self.identity(peer), traffic, request, scheme)
    }

    /// What a proxy finds about the beginning of a connection.
    pub fn hello(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: IpAddr,
        traffic: Traffic,
        hello: Hello<'_>,
    ) -> Finding {
        self.model.rule_on_hello(subject, direction, &self.identity(peer), traffic, hello)
    }

    /// What the DNS proxy finds about a query.
    pub fn query(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: IpAddr,
        traffic: Traffic,
        name: &str,
    ) -> Finding {
        self.model.rule_on_query(subject, direction, &self.identity(peer), traffic, name)
    }
}
