//! The addresses of every endpoint and service of a topology.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use verdikt_scenario::attempt::{IpFamily, Target};
use verdikt_scenario::name::{HostName, NamespacedName};
use verdikt_scenario::topology::{Endpoint, Port, Protocol, Topology};

/// The addresses of a topology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The addresses of every existing endpoint: one, or one of each family.
    pub endpoints: BTreeMap<Endpoint, Vec<IpAddr>>,
    /// The addresses of every service.
    pub services: BTreeMap<NamespacedName, Vec<IpAddr>>,
    /// The addresses at which a service leads to this one of its endpoints. Empty if no client can choose.
    pub backends: BTreeMap<(NamespacedName, Endpoint), Vec<IpAddr>>,
    /// The addresses and ports at which hosts outside reach services.
    pub exposed_ports: BTreeMap<NamespacedName, ExposedPorts>,
    /// The addresses at which hosts outside reach a service over a node that replaces their address with its own.
    pub relays: BTreeMap<NodeRelay, Vec<IpAddr>>,
}

/// A route from outside to a service over a node that replaces the client's address with its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeRelay {
    /// The service.
    pub service: NamespacedName,
    /// The node; none is the default of attempts that name no node.
    pub node: Option<HostName>,
    /// The endpoint behind the service that has to answer; none is any of them.
    pub backend: Option<Endpoint>,
}

/// The addresses and ports by which hosts outside reach each port of a service.
pub type ExposedPorts = BTreeMap<(Protocol, Port), Vec<SocketAddr>>;

impl Addresses {
    /// The addresses of one family only.
    #[must_use]
    pub fn of_family(&self, family: IpFamily) -> Self {
        fn only<K: Ord + Clone>(
            all: &BTreeMap<K, Vec<IpAddr>>,
            family: IpFamily,
        ) -> BTreeMap<K, Vec<IpAddr>> {
            let of_family = |list: &Vec<IpAddr>| list.iter().copied().filter(|it| family.has(*it)).collect();
            all.iter().map(|(key, list)| (key.clone(), of_family(list))).collect()
        }
        Self {
            endpoints: only(&self.endpoints, family),
            services: only(&self.services, family),
            backends: only(&self.backends, family),
            exposed_ports: self.exposed_ports.clone(),
            relays: only(&self.relays, family),
        }
    }

    /// The one of these addresses that `source` uses, in a family that it has. A host outside uses the family of its
    /// own first address, the one that policies see; everything else the first of the target's.
    pub fn reachable(&self, source: &Endpoint, addresses: &[IpAddr]) -> Option<IpAddr> {
        let own = self.endpoints.get(source)?;
        let same_family = |one: &IpAddr, other: &IpAddr| one.is_ipv4() == other.is_ipv4();
        let found = match source {
            Endpoint::World(_) => {
                own.iter().find_map(|own| addresses.iter().find(|address| same_family(address, own)))
            }
            Endpoint::Pod(_) | Endpoint::Node(_) | Endpoint::Cilium(_) => {
                addresses.iter().find(|address| own.iter().any(|own| same_family(address, own)))
            }
        };
        found.copied()
    }

    /// The address and port to which `source` sends an attempt through a service: over a node, to one of the endpoints
    /// behind it, or both.
    pub fn way_through(
        &self,
        source: &Endpoint,
        target: &Target,
        protocol: Protocol,
        port: Port,
    ) -> Option<SocketAddr> {
        let service = target.service()?;
        let (node, backend) = (target.node().cloned(), target.backend().cloned());
        let relay = NodeRelay { service: service.clone(), node, backend };
        if let (Endpoint::World(_), Some(addresses)) = (source, self.relays.get(&relay)) {
            return Some(SocketAddr::new(self.reachable(source, addresses)?, port.get()));
        }
        match &relay.backend {
            Some(backend) => self.way_to_backend(source, service, backend, port),
            None => self.way_in(source, service, protocol, port),
        }
    }

    /// The address and port by which `source` reaches one port of a service: an exposed port for hosts outside, where it has one.
    pub fn way_in(
        &self,
        source: &Endpoint,
        service: &NamespacedName,
        protocol: Protocol,
        port: Port,
    ) -> Option<SocketAddr> {
        if let (Endpoint::World(_), Some(exposed_ports)) = (source, self.exposed_ports.get(service)) {
            let exposed_ports = exposed_ports.get(&(protocol, port))?;
            let addresses: Vec<IpAddr> = exposed_ports.iter().map(SocketAddr::ip).collect();
            let address = self.reachable(source, &addresses)?;
            return exposed_ports.iter().find(|port| port.ip() == address).copied();
        }
        let address = self.reachable(source, self.services.get(service)?)?;
        Some(SocketAddr::new(address, port.get()))
    }

    /// The address and port by which `source` reaches one port of a service, and this one of the endpoints behind it.
    pub fn way_to_backend(
        &self,
        source: &Endpoint,
        service: &NamespacedName,
        backend: &Endpoint,
        port: Port,
    ) -> Option<SocketAddr> {
        let addresses = self.backends.get(&(service.clone(), backend.clone()))?;
        Some(SocketAddr::new(self.reachable(source, addresses)?, port.get()))
    }

    /// The sockets of the DNS servers that pods ask first.
    pub fn dns_servers(&self, topology: &Topology, protocol: Protocol) -> Vec<SocketAddr> {
        self.sockets(topology.dns_servers(protocol))
    }

    /// The sockets of all DNS servers of pods, in the order in which they are asked.
    pub fn all_dns_servers(&self, topology: &Topology, protocol: Protocol) -> Vec<SocketAddr> {
        topology.all_dns_servers(protocol).into_iter().flat_map(|ends| self.sockets(ends)).collect()
    }

    /// Addresses and ports behind one port of a service, in the order of the endpoints.
    pub fn behind(
        &self,
        topology: &Topology,
        service: &NamespacedName,
        protocol: Protocol,
        port: Port,
    ) -> Vec<SocketAddr> {
        self.sockets(topology.behind(service, protocol, port))
    }

    fn sockets(&self, ends: Vec<(Endpoint, Option<Port>)>) -> Vec<SocketAddr> {
        let reached = ends.into_iter().filter_map(|(endpoint, port)| Some((endpoint, port?)));
        reached
            .flat_map(|(endpoint, port)| {
                let addresses = self.endpoints.get(&endpoint).into_iter().flatten();
                addresses.map(|address| SocketAddr::new(*address, port.get())).collect::<Vec<_>>()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_are_for_hosts_outside() {
        let (service, pod) = ("shop/front".parse().unwrap(), "shop/cart".parse().unwrap());
        let (office, six) =
            (Endpoint::World("office".parse().unwrap()), Endpoint::World("six".parse().unwrap()));
        let mut addresses = Addresses::default();
        for (endpoint, address) in [
            (Endpoint::Pod(pod), "10.244.0.9"),
            (office.clone(), "203.0.113.1"),
            (six.clone(), "2001:db8::1"),
        ] {
            addresses.endpoints.insert(endpoint, vec![address.parse().unwrap()]);
        }
        addresses.services.insert("shop/front".parse().unwrap(), vec!["10.96.0.9".parse().unwrap()]);
        let check = |addresses: &Addresses, port: u16, expected: [Option<&str>; 3]| {
            let found = addresses.endpoints.keys().map(|source| {
                let way_in = addresses.way_in(source, &service, Protocol::Tcp, port.try_into().unwrap());
                way_in.map(|way_in| way_in.to_string())
            });
            assert_eq!(found.collect::<Vec<_>>(), expected.map(|socket| socket.map(str::to_owned)));
        };
        check(&addresses, 80, [Some("10.96.0.9:80"), Some("10.96.0.9:80"), None]);
        let exposed_ports = vec!["172.30.0.2:30080".parse().unwrap(), "[fd00::2]:30080".parse().unwrap()];
        let exposed_ports = ExposedPorts::from([((Protocol::Tcp, 80.try_into().unwrap()), exposed_ports)]);
        addresses.exposed_ports.insert(service.clone(), exposed_ports);
        check(&addresses, 80, [Some("10.96.0.9:80"), Some("172.30.0.2:30080"), Some("[fd00::2]:30080")]);
        check(&addresses, 81, [Some("10.96.0.9:81"), None, None]);
    }
}
