//! The datapath: what becomes of every packet, as in Cilium's.
//!
//! A packet of an endpoint is checked for its sender's address, translated if it is for a service, judged by the
//! egress policy of its sender and the ingress policy of its receiver, and delivered. What a rule sends to a proxy
//! goes there first; the proxy's own connection to the server begins where the judging stopped. Replies of what
//! was allowed pass. A state machine: packets and the time come in, packets and flows come out.
//!
//! <https://docs.cilium.io/en/stable/network/ebpf/lifeofapacket/>

mod connection;
mod fragments;
mod judge;
mod limits;
mod report;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use verdikt_scenario::flow::{DropReason, Flow};
use verdikt_scenario::topology::{Endpoint, Protocol};

use crate::packet::{Ends, Packet, Transport, age, flag, number, rewrite, rewrite_error};
use crate::policy::Policy;
use crate::redirect::{DNS_PORT, HTTP_PORT, PROXY_V4, PROXY_V6, Redirect, Redirects};
use connection::{Connection, Connections, Key, Way};
use fragments::Fragments;
use judge::{Judged, Passage, Stage};
use limits::Limits;

/// A device that packets come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub usize);

/// Who is behind a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkOwner {
    /// An endpoint.
    Endpoint {
        /// Which.
        endpoint: Endpoint,
        /// The addresses it may send from.
        addresses: Vec<IpAddr>,
        /// Its numeric identity.
        identity: u32,
    },
    /// The proxies.
    Proxy,
}

/// What stands behind each address, protocol and port of every service.
pub type Services = BTreeMap<(IpAddr, Protocol, u16), Vec<SocketAddr>>;

/// What the datapath does. The caller carries it out and clears it.
#[derive(Debug, Default)]
pub struct Effects {
    /// Packets to deliver.
    pub packets: Vec<(LinkId, Vec<u8>)>,
    /// What happened.
    pub flows: Vec<Flow>,
}

/// The datapath.
#[derive(Debug)]
pub struct Datapath {
    policy: Arc<Policy>,
    redirects: Arc<Redirects>,
    links: BTreeMap<LinkId, LinkOwner>,
    by_address: HashMap<IpAddr, LinkId>,
    services: Services,
    service_addresses: std::collections::BTreeSet<IpAddr>,
    connections: Connections,
    fragments: Fragments,
    limits: Limits,
}

/// As whom a pod sees itself when it reaches itself through its service.
const LOOPBACK_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 42, 1));
const LOOPBACK_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0x169, 0x254, 0x42, 0, 0, 0, 1));

/// One packet on its way.
struct Visit<'a> {
    from: LinkId,
    bytes: &'a mut [u8],
    packet: Packet,
    ends: Ends,
    at: Duration,
}

impl Datapath {
    /// A datapath without links.
    pub fn new(redirects: Arc<Redirects>, policy: Arc<Policy>) -> Self {
        Self {
            policy,
            redirects,
            links: BTreeMap::new(),
            by_address: HashMap::new(),
            services: Services::new(),
            service_addresses: std::collections::BTreeSet::new(),
            connections: Connections::default(),
            fragments: Fragments::default(),
            limits: Limits::default(),
        }
    }

    /// Adds a link, or tells who is behind it from now on.
    pub fn attach(&mut self, link: LinkId, owner: LinkOwner) {
        self.by_address.retain(|_, other| *other != link);
        match &owner {
            LinkOwner::Endpoint { addresses, .. } => {
                self.by_address.extend(addresses.iter().map(|address| (*address, link)));
            }
            LinkOwner::Proxy => {
                self.by_address.extend([(IpAddr::V4(PROXY_V4), link), (IpAddr::V6(PROXY_V6), link)]);
            }
        }
        self.links.insert(link, owner);
    }

    /// Removes a link and its connections.
    pub fn detach(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.by_address.retain(|_, other| *other != link);
        let gone = self.connections.remove_if(|connection| connection.touches(link));
        self.release(gone);
    }

    /// Replaces the services. Connections that stand keep their backends.
    pub fn set_services(&mut self, services: Services) {
        self.service_addresses = services.keys().map(|(address, ..)| *address).collect();
        self.services = services;
    }

    /// Replaces the policy: from now on it judges, also the next packets of connections that stand.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
    }

    /// Forgets what has been idle for too long.
    pub fn expire(&mut self, at: Duration) {
        let gone = self.connections.remove_if(|connection| connection.is_over(at));
        self.release(gone);
        self.fragments.expire(at);
        self.limits.expire(at);
    }

    /// Whether a connection to an address stands.
    pub fn stands(&self, address: IpAddr) -> bool {
        self.connections.iter().any(|connection| connection.judged.destination.ip() == address)
    }

    /// How many connections are known.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    fn release(&mut self, gone: Vec<Connection>) {
        for connection in gone {
            if let Some(redirect) = connection.redirect {
                self.redirects.remove(redirect.number);
            }
        }
    }

    /// One packet that came from a link.
    pub fn packet(&mut self, from: LinkId, bytes: &mut [u8], at: Duration, effects: &mut Effects) {
        let Some(owner) = self.links.get(&from) else { return };
        let packet = match Packet::read(bytes) {
            Ok(packet) if is_housekeeping(&packet) => return,
            Ok(packet) => packet,
            Err(reason) => {
                let reason = DropReason::Malformed(reason.0.to_owned());
                return self.lose_unreadable(from, reason, at, effects);
            }
        };
        let spoofed = match owner {
            LinkOwner::Endpoint { addresses, .. } => !addresses.contains(&packet.source),
            LinkOwner::Proxy => !is_proxys(packet.source),
        };
        let sent = Ends {
            source: SocketAddr::new(packet.source, 0),
            destination: SocketAddr::new(packet.destination, 0),
        };
        if spoofed {
            return self.lose(from, &packet, &sent, DropReason::InvalidSourceAddress, at, effects);
        }
        let Some(ends) = self.fragments.ends(from, &packet, at) else {
            let reason = DropReason::Malformed("fragment without its first part".to_owned());
            return self.lose(from, &packet, &sent, reason, at, effects);
        };
        let visit = Visit { from, bytes, packet, ends, at };
        if let Transport::Icmp { error: true, .. } = packet.transport {
            return self.related(visit, effects);
        }
        match self.connections.find(&Key { link: from, protocol: packet.protocol, ends }) {
            Some((number, Way::Reply)) => self.pass(number, Way::Reply, visit, effects),
            Some((number, Way::Forward)) if self.is_new_life(number, &packet) => {
                self.forget(number);
                self.first(visit, effects);
            }
            Some((number, Way::Forward)) => self.again(number, visit, effects),
            None => self.first(visit, effects),
        }
    }

    /// A packet in the direction of a connection that is known: judged anew if the policy has changed.
    fn again(&mut self, number: usize, visit: Visit<'_>, effects: &mut Effects) {
        let Some(connection) = self.connections.get(number) else { return };
        if connection.revision != self.policy.revision() {
            let passage = connection.passage();
            let judged = self.judge(&passage, visit.at, effects);
            let same = match (&judged, self.connections.get(number).and_then(|known| known.redirect.as_ref()))
            {
                (Judged::Pass, None) => true,
                (Judged::Redirect { kind, subject, .. }, Some(redirect)) => {
                    *kind == redirect.kind && *subject == redirect.subject
                }
                _ => false,
            };
            if !same {
                if matches!(judged, Judged::Pass | Judged::Redirect { .. }) {
                    // Between proxied and direct no connection can change over; a later one is judged as new.
                    self.forget(number);
                }
                return;
            }
            if let Some(connection) = self.connections.get_mut(number) {
                connection.revision = self.policy.revision();
            }
        }
        self.pass(number, Way::Forward, visit, effects);
    }

    /// Whether a packet begins a connection with the ends of one that is over.
    fn is_new_life(&self, number: usize, packet: &Packet) -> bool {
        let begins = matches!(packet.transport, Transport::Ports { flags, .. } if flags & (flag::SYN | flag::ACK) == flag::SYN);
        begins && self.connections.get(number).is_some_and(Connection::is_closed)
    }

    fn forget(&mut self, number: usize) {
        let gone = self.connections.remove(number);
        self.release(gone.into_iter().collect());
    }

    /// A packet that belongs to nothing known.
    fn first(&mut self, visit: Visit<'_>, effects: &mut Effects) {
        let Visit { from, packet, ends, at, .. } = visit;
        let proxied = matches!(self.links.get(&from), Some(LinkOwner::Proxy));
        let passage = if proxied {
            // The proxy's connection to the server goes on where the client's was stopped.
            let Some(redirect) = self.redirects.of(packet.source) else { return };
            if ends.source.port() != redirect.upstream().port() || !is_upstream(packet.source) {
                return self.lose(from, &packet, &ends, DropReason::InvalidSourceAddress, at, effects);
            }
            let stage = Stage::after(redirect.direction);
            let ends = Ends { source: redirect.client, destination: redirect.server };
            Passage { stage, ends, packet, own_service: false }
        } else {
            match self.translated(&packet, &ends) {
                Some((ends, own_service)) => Passage { stage: Stage::Begin, ends, packet, own_service },
                None => return self.lose(from, &packet, &ends, DropReason::NoDestination, at, effects),
            }
        };
        let judged = self.judge(&passage, at, effects);
        let redirect = match judged {
            Judged::Pass => None,
            Judged::Redirect { kind, subject, direction } => {
                let protocol = match packet.protocol {
                    number::UDP => Protocol::Udp,
                    _ => Protocol::Tcp,
                };
                let Ends { source: client, destination: server } = passage.ends;
                let build = |number| Redirect { number, kind, subject, direction, protocol, client, server };
                match self.redirects.add(build) {
                    Some(redirect) => Some(redirect),
                    None => return self.lose(from, &packet, &ends, Limits::full(), at, effects),
                }
            }
            Judged::Drop => return,
        };
        let delivered = match &redirect {
            Some(redirect) => Ends { source: redirect.token(), destination: proxy_socket(redirect) },
            None if passage.own_service => {
                let loopback = if passage.ends.source.is_ipv4() { LOOPBACK_V4 } else { LOOPBACK_V6 };
                let source = SocketAddr::new(loopback, passage.ends.source.port());
                Ends { source, destination: passage.ends.destination }
            }
            None => passage.ends,
        };
        let Some(to) = self.by_address.get(&delivered.destination.ip()).copied() else {
            return self.lose(from, &packet, &passage.ends, DropReason::NoDestination, at, effects);
        };
        let connection = Connection {
            protocol: packet.protocol,
            from,
            sent: ends,
            to,
            delivered,
            stage: passage.stage,
            judged: passage.ends,
            kind: packet.transport,
            own_service: passage.own_service,
            redirect,
            revision: self.policy.revision(),
            seen: at,
            state: connection::State::default(),
        };
        match self.connections.add(connection) {
            Ok(number) => self.pass(number, Way::Forward, visit, effects),
            Err(connection) => {
                self.release(vec![*connection]);
                self.lose(from, &packet, &ends, Limits::full(), at, effects);
            }
        }
    }

    /// Where a packet goes after the translation of a service's address, and whether its sender itself is behind
    /// the service; none if nobody is.
    fn translated(&self, packet: &Packet, ends: &Ends) -> Option<(Ends, bool)> {
        if !self.service_addresses.contains(&packet.destination) {
            return Some((*ends, false));
        }
        let protocol = match packet.protocol {
            number::TCP => Protocol::Tcp,
            number::UDP => Protocol::Udp,
            number::SCTP => Protocol::Sctp,
            _ => return None,
        };
        let backends = self.services.get(&(packet.destination, protocol, ends.destination.port()))?;
        let backend = *backends.get(spread(ends) % backends.len().max(1))?;
        Some((Ends { source: ends.source, destination: backend }, backend.ip() == packet.source))
    }

    /// Delivers a packet of a connection.
    fn pass(&mut self, number: usize, way: Way, visit: Visit<'_>, effects: &mut Effects) {
        let Visit { from, bytes, packet, ends, at } = visit;
        let Some(connection) = self.connections.get_mut(number) else { return };
        if packet.hops <= 1 {
            let reason = DropReason::Malformed("no hops left".to_owned());
            return self.lose(from, &packet, &ends, reason, at, effects);
        }
        connection.touch(way, &packet, at);
        let (to, ends) = connection.towards(way);
        age(bytes, &packet);
        rewrite(bytes, &packet, &ends);
        effects.packets.push((to, bytes[..packet.length].to_vec()));
    }

    /// An ICMP error about a packet that was delivered: it goes back the way that packet came.
    fn related(&mut self, visit: Visit<'_>, effects: &mut Effects) {
        let Visit { from, bytes, packet, ends, at } = visit;
        let Ok(held) = packet.read_held(bytes) else {
            let reason = DropReason::Malformed("ICMP error about nothing".to_owned());
            return self.lose(from, &packet, &ends, reason, at, effects);
        };
        let held_ends = fragments::own_ends(&held);
        // The packet was received here, so its answer would have been sent with its ends exchanged.
        let answer = Ends { source: held_ends.destination, destination: held_ends.source };
        let key = Key { link: from, protocol: held.protocol, ends: answer };
        let Some((connection, way)) =
            self.connections.find(&key).and_then(|(number, way)| Some((self.connections.get(number)?, way)))
        else {
            return self.lose(from, &packet, &ends, DropReason::NoDestination, at, effects);
        };
        let (to, towards) = connection.towards(way);
        let source = if packet.source == held.destination { towards.source.ip() } else { packet.source };
        let held = Ends { source: towards.destination, destination: towards.source };
        age(bytes, &packet);
        rewrite_error(bytes, &packet, source, towards.destination.ip(), &held);
        effects.packets.push((to, bytes[..packet.length].to_vec()));
    }
}

/// Packets by which a kernel keeps house: to everybody, or of its own neighbourhood.
fn is_housekeeping(packet: &Packet) -> bool {
    let to_many = match packet.destination {
        IpAddr::V4(address) => address.is_multicast() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_multicast() || address.is_unicast_link_local(),
    };
    let local = |address: IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local() || v6.is_unspecified());
    let discovery = matches!(packet.transport, Transport::Icmp { kind: 130..=137 | 143, .. });
    to_many || local(packet.source) || discovery && packet.source.is_ipv6()
}

fn is_proxys(address: IpAddr) -> bool {
    address == IpAddr::V4(PROXY_V4) || address == IpAddr::V6(PROXY_V6) || is_upstream(address)
}

/// Whether an address is one from which the proxies reach servers.
fn is_upstream(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[..2] == [198, 19],
        IpAddr::V6(address) => address.segments()[..2] == [0xfd98, 19],
    }
}

fn proxy_socket(redirect: &Redirect) -> SocketAddr {
    let address = if redirect.client.is_ipv4() { IpAddr::V4(PROXY_V4) } else { IpAddr::V6(PROXY_V6) };
    let port = match redirect.kind {
        verdikt_engine::ruling::ProxyKind::Dns => DNS_PORT,
        verdikt_engine::ruling::ProxyKind::Http => HTTP_PORT,
    };
    SocketAddr::new(address, port)
}

/// A number that spreads connections over backends, always the same for the same ends.
fn spread(ends: &Ends) -> usize {
    // FNV-1a: short inputs that differ in a port must differ in the low bits.
    let mut hash: u32 = 0x811c_9dc5;
    let mut mix = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    for end in [ends.source, ends.destination] {
        match end.ip() {
            IpAddr::V4(address) => mix(&address.octets()),
            IpAddr::V6(address) => mix(&address.octets()),
        }
        mix(&end.port().to_be_bytes());
    }
    usize::try_from(hash >> 4).unwrap_or(0)
}
