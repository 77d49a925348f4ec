//! Which address every endpoint and service of a topology has.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{Endpoint, Port, Protocol, Topology};

/// The addresses of a topology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Of every endpoint that there is: one, or one of each family.
    pub endpoints: BTreeMap<Endpoint, Vec<IpAddr>>,
    /// Of every service.
    pub services: BTreeMap<NamespacedName, Vec<IpAddr>>,
}

impl Addresses {
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

    /// Addresses and ports behind one port of a service, in the order of the endpoints.
    pub fn behind(
        &self,
        topology: &Topology,
        service: &NamespacedName,
        protocol: Protocol,
        port: Port,
    ) -> Vec<SocketAddr> {
        let behind = topology.behind(service, protocol, port).into_iter();
        let reached = behind.filter_map(|(endpoint, port)| Some((endpoint, port?)));
        reached
            .flat_map(|(endpoint, port)| {
                let addresses = self.endpoints.get(&endpoint).into_iter().flatten();
                addresses.map(|address| SocketAddr::new(*address, port.get())).collect::<Vec<_>>()
            })
            .collect()
    }
}
