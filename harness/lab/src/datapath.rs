//! The datapath: takes a packet from one link, decides about it, and forwards it to another link.
//!
//! A pure state machine: it reads no clock and no device. A packet passes, in this order, the parser, the check that
//! its sender owns its source address, the memory of fragments, the known connections, the services, the policies of
//! both sides, and the delivery. The order, and what is decided when, are Cilium's:
//! <https://docs.cilium.io/en/stable/network/ebpf/lifeofapacket/>.

mod connection;
mod connections;
mod decide;
mod forward;
mod fragments;
pub mod identity;
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
use crate::hidden_clients::HiddenClients;
use crate::policy::PolicyVersion;
use crate::redirect::Redirects;

/// A device at which packets arrive and leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub usize);

/// The services, by their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTable {
    /// The backends of every port of every address.
    pub backends: BTreeMap<(IpAddr, Protocol, u16), Vec<SocketAddr>>,
    /// The addresses that hosts outside may use too.
    pub open: BTreeSet<IpAddr>,
    /// The backends of single ports of addresses that do not belong to services: ports of the node that are forwarded
    /// to pods.
    pub host_ports: BTreeMap<(IpAddr, Protocol, u16), SocketAddr>,
    /// Where local redirect policies send some clients, before the backends of an address.
    pub redirected: BTreeMap<(IpAddr, Protocol, u16), RedirectedPort>,
}

/// A port whose clients a local redirect policy redirects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectedPort {
    /// The addresses of the clients.
    pub clients: BTreeSet<IpAddr>,
    /// Where they are sent.
    pub backends: Vec<SocketAddr>,
}

/// The addresses of services through which clients enter over a node, each with the address of that node, which
/// replaces the client's for the backends.
pub type Relays = BTreeMap<IpAddr, IpAddr>;

/// The owner of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkOwner {
    /// An endpoint of the topology.
    Endpoint {
        /// The endpoint.
        endpoint: Endpoint,
        /// Its addresses; it may send from no other.
        addresses: Vec<IpAddr>,
        /// Its numeric identity, as in flows.
        identity: u32,
    },
    /// The proxies.
    Proxy,
}

/// The effects of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Packets to write to links.
    pub packets: Vec<(LinkId, Vec<u8>)>,
    /// Flows to report.
    pub flows: Vec<Flow>,
}

impl Effects {
    /// Clears them, and keeps the memory.
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
    /// A datapath without links. It adds to `redirects` what the proxies have to decide, and to `hidden` the clients that
    /// servers do not see.
    pub fn new(redirects: Arc<Redirects>, hidden: Arc<HiddenClients>, policy: Arc<PolicyVersion>) -> Self {
        Self {
            connections: Connections::new(Arc::clone(&redirects), hidden),
            redirects,
            policy,
            services: Services::default(),
            relays: Relays::new(),
            links: FxHashMap::default(),
            addresses: FxHashMap::default(),
            proxy: None,
        }
    }

    /// Adds a link, replacing one with the same number. An address belongs to the link that was added last.
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

    /// Sets the numeric identity of a link's endpoint.
    pub fn identify(&mut self, link: LinkId, number: u32) {
        if let Some(LinkOwner::Endpoint { identity, .. }) =
            self.links.get_mut(&link).map(|link| &mut link.owner)
        {
            *identity = number;
        }
    }

    /// Removes a link, and drops all connections over it.
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

    /// Sets the backends of every port of the services. Connections to a backend that no longer belongs to their
    /// service are dropped, and the client's next packet goes to another backend.
    pub fn set_services(&mut self, services: ServiceTable) {
        self.services = Services::new(services);
        self.connections.forget_services(&self.services);
        self.forget_denials();
    }

    /// Sets the addresses through which clients enter over nodes.
    pub fn set_relays(&mut self, relays: Relays) {
        self.relays = relays;
    }

    /// Sets the policy. The next packet of its client decides every connection again.
    pub fn set_policy(&mut self, policy: Arc<PolicyVersion>) {
        self.policy = policy;
    }

    /// Handles a packet from a link at the time `at` since the start, and changes it in place. Times must not
    /// decrease.
    pub fn packet(&mut self, from: LinkId, packet: &mut [u8], at: Duration, effects: &mut Effects) {
        if let Err(dropped) = self.forward(from, packet, at, effects) {
            self.report(from, &dropped, at, effects);
        }
    }

    /// Drops connections that have been idle for too long.
    pub fn expire(&mut self, at: Duration) {
        self.connections.expire(at);
        for link in self.links.values_mut() {
            link.expire(at);
        }
    }

    /// The number of known connections; those between an endpoint and a proxy count separately.
    pub fn connections(&self) -> usize {
        self.connections.count()
    }

    fn forget_denials(&mut self) {
        for link in self.links.values_mut() {
            link.denials.clear();
        }
    }
}
