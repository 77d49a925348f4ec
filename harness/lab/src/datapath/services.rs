//! Services: addresses in front of backends.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, BuildHasherDefault};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustc_hash::{FxHashMap, FxHasher};
use verdikt_scenario::topology::Protocol;

use super::{RedirectedPort, ServiceTable};
use crate::packet::Tuple;

/// The address of the client for a pod that reaches itself through its service.
const SELF_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 42, 1);
const SELF_V6: Ipv6Addr = Ipv6Addr::new(0xfd98, 0x14, 0, 0, 0, 0, 0, 1);

/// The source address for a pod that reaches itself, in the family of its own address.
pub(super) fn own_service_client(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => SELF_V4.into(),
        IpAddr::V6(_) => SELF_V6.into(),
    }
}

/// Every service.
#[derive(Debug, Default)]
pub(super) struct Services {
    backends: FxHashMap<(IpAddr, Protocol, u16), Vec<SocketAddr>>,
    addresses: BTreeSet<IpAddr>,
    /// Those that hosts outside may use.
    open: BTreeSet<IpAddr>,
    redirected: BTreeMap<(IpAddr, Protocol, u16), RedirectedPort>,
}

impl Services {
    pub(super) fn new(services: ServiceTable) -> Self {
        let ServiceTable { backends, open, host_ports, redirected } = services;
        let addresses = backends.keys().map(|(address, ..)| *address).collect();
        let of_pods = host_ports.into_iter().map(|(key, pod)| (key, vec![pod]));
        let of_the_family = backends.into_iter().chain(of_pods).map(|(key, mut backends)| {
            backends.retain(|backend| backend.is_ipv4() == key.0.is_ipv4());
            (key, backends)
        });
        Self { backends: of_the_family.collect(), addresses, open, redirected }
    }

    /// Whether an address is a service's.
    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// Whether a port of an address is translated.
    pub(super) fn leads(&self, port: (IpAddr, Protocol, u16)) -> bool {
        self.backends.contains_key(&port)
    }

    /// Whether hosts outside may use this address.
    pub(super) fn is_open(&self, address: IpAddr) -> bool {
        self.open.contains(&address)
    }

    /// Whether a port has a backend, for some client.
    pub(super) fn has(&self, service: (IpAddr, Protocol, u16), backend: (IpAddr, u16)) -> bool {
        let backend = SocketAddr::from(backend);
        let redirected = self.redirected.get(&service).map(|port| &port.backends);
        self.backends.get(&service).into_iter().chain(redirected).any(|backends| backends.contains(&backend))
    }

    /// The backends to which a local redirect policy sends a client, if one does.
    fn redirected(&self, client: IpAddr, port: (IpAddr, Protocol, u16)) -> Option<&[SocketAddr]> {
        let redirected = self.redirected.get(&port).filter(|port| port.clients.contains(&client))?;
        Some(&redirected.backends)
    }

    /// Whether a local redirect policy redirects a client from a port.
    pub(super) fn redirects(&self, client: IpAddr, port: (IpAddr, Protocol, u16)) -> bool {
        self.redirected(client, port).is_some()
    }

    /// The backend of a connection: always the same for the same client port.
    pub(super) fn backend(&self, tuple: &Tuple, protocol: Protocol) -> Option<SocketAddr> {
        let port = (tuple.destination, protocol, tuple.destination_port);
        let backends = self.redirected(tuple.source, port).or_else(|| Some(self.backends.get(&port)?))?;
        if backends.is_empty() {
            return None;
        }
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one(tuple);
        // The hash is made for tables; to share fairly among few backends its bits need more mixing.
        let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let index = usize::try_from(mixed).unwrap_or_default() % backends.len();
        backends.get(index).copied()
    }
}
