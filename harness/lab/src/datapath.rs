//! The datapath: takes a packet off one link, judges it, and says on which link it goes on, and how.
//!
//! A pure state machine: it reads no clock and no device. A packet meets, in this order: the parser, the check that
//! its sender owns its source address, the fragments' memory, the connections known, the services, the policies of
//! both sides, and the delivery. The order, and what is judged when, are Cilium's:
//! <https://docs.cilium.io/en/stable/network/ebpf/lifeofapacket/>.

mod connection;
mod connections;
mod forward;
mod fragments;
pub mod identity;
mod judge;
mod link;
mod open;
mod related;
mod report;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use verdikt_scenario::flow::Flow;
use verdikt_scenario::topology::{Endpoint, Protocol};

use self::connections::Connections;
use self::link::Link;
use self::services::Services;
use crate::policy::PolicyVersion;
use crate::redirect::Redirects;

/// A device that packets come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub usize);

/// The services, by their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTable {
    /// What stands behind every port of every address.
    pub backends: BTreeMap<(IpAddr, Protocol, u16), Vec<SocketAddr>>,
    /// The addresses that hosts outside may use too.
    pub open: BTreeSet<IpAddr>,
    /// What stands behind single ports of addresses that do not belong to services: those of the node that lead to pods.
    pub host_ports: BTreeMap<(IpAddr, Protocol, u16), SocketAddr>,
    /// Where local redirect policies lead some clients, whatever else stands behind an address.
    pub redirected: BTreeMap<(IpAddr, Protocol, u16), RedirectedPort>,
}

/// A port that a local redirect policy leads clients away from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectedPort {
    /// The addresses of those that are led.
    pub clients: BTreeSet<IpAddr>,
    /// Where they are led to.
    pub backends: Vec<SocketAddr>,
}

/// The addresses of services by which clients come in over a node, each with the address of that node: what the backends
/// see in the place of the client's.
pub type Relays = BTreeMap<IpAddr, IpAddr>;

/// Who is at the other end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkOwner {
    /// An endpoint of the topology.
    Endpoint {
        /// Which.
        endpoint: Endpoint,
        /// Its addresses: the only ones it may send from.
        addresses: Vec<IpAddr>,
        /// Its numeric identity, as flows give it.
        identity: u32,
    },
    /// The proxies.
    Proxy,
}

/// What a packet leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Packets to put on links.
    pub packets: Vec<(LinkId, Vec<u8>)>,
    /// What there is to report.
    pub flows: Vec<Flow>,
}

impl Effects {
    /// Forgets all of them, and keeps the memory.
    pub fn clear(&mut self) {
        self.packets.clear();
        self.flows.clear();
    }
}

/// The state of the datapath.
#[derive(Debug)]
pub struct Datapath {
    redirects: Arc<Redirects>,
    policy: Arc<PolicyVersion>,
    services: Services,
    relays: Relays,
    links: FxHashMap<LinkId, Link>,
    /// The link that has an address.
    addresses: FxHashMap<IpAddr, LinkId>,
    proxy: Option<LinkId>,
    connections: Connections,
}

impl Datapath {
    /// A datapath without links. It adds to `redirects` what the proxies are to judge.
    pub fn new(redirects: Arc<Redirects>, policy: Arc<PolicyVersion>) -> Self {
        Self {
            connections: Connections::new(Arc::clone(&redirects)),
            redirects,
            policy,
            services: Services::default(),
            relays: Relays::new(),
            links: FxHashMap::default(),
            addresses: FxHashMap::default(),
            proxy: None,
        }
    }

    /// Adds a link, in place of one with the same number. An address belongs to who attached it last.
    pub fn attach(&mut self, link: LinkId, owner: LinkOwner) {
        self.detach(link);
        match &owner {
            LinkOwner::Proxy => self.proxy = Some(link),
            LinkOwner::Endpoint { addresses, .. } => {
                self.addresses.extend(addresses.iter().map(|address| (*address, link)));
            }
        }
        self.links.insert(link, Link::new(owner));
        self.forget_denials();
    }

    /// Tells the numeric identity of a link's endpoint from now on.
    pub fn identify(&mut self, link: LinkId, number: u32) {
        if let Some(LinkOwner::Endpoint { identity, .. }) =
            self.links.get_mut(&link).map(|link| &mut link.owner)
        {
            *identity = number;
        }
    }

    /// Removes a link, and forgets every connection it has a part in.
    pub fn detach(&mut self, link: LinkId) {
        if self.links.remove(&link).is_none() {
            return;
        }
        self.addresses.retain(|_, owner| *owner != link);
        if self.proxy == Some(link) {
            self.proxy = None;
        }
        self.connections.forget_link(link);
        self.forget_denials();
    }

    /// Sets what stands behind the addresses of services: every port, and its backends. Connections to a backend
    /// that is no longer behind their service are forgotten, and led to another by their client's next packet.
    pub fn set_services(&mut self, services: ServiceTable) {
        self.services = Services::new(services);
        self.connections.forget_services(&self.services);
        self.forget_denials();
    }

    /// Sets by which addresses clients come in over nodes.
    pub fn set_relays(&mut self, relays: Relays) {
        self.relays = relays;
    }

    /// Sets the policy. Every connection is judged anew by its client's next packet.
    pub fn set_policy(&mut self, policy: Arc<PolicyVersion>) {
        self.policy = policy;
    }

    /// Handles a packet that came from a link, `at` after the start. The packet is changed. Times may not go back.
    pub fn packet(&mut self, from: LinkId, packet: &mut [u8], at: Duration, effects: &mut Effects) {
        if let Err(dropped) = self.forward(from, packet, at, effects) {
            self.report(from, &dropped, at, effects);
        }
    }

    /// Forgets what has been idle for too long.
    pub fn expire(&mut self, at: Duration) {
        self.connections.expire(at);
        for link in self.links.values_mut() {
            link.expire(at);
        }
    }

    /// The number of connections known, those between an endpoint and a proxy counted on their own.
    pub fn connections(&self) -> usize {
        self.connections.count()
    }

    fn forget_denials(&mut self) {
        for link in self.links.values_mut() {
            link.denials.clear();
        }
    }
}
