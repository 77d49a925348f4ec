//! The services of a topology as the datapath knows them: address and port to the backends'.

use std::net::SocketAddr;

use verdikt_agents::addresses::Addresses;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{Port, Protocol, Topology};

use crate::datapath::ServiceTable;

/// Every port of every service, in each family its address and a backend have.
pub fn of(topology: &Topology, addresses: &Addresses) -> ServiceTable {
    let mut table = ServiceTable::new();
    for (name, list) in &addresses.services {
        for (protocol, port) in ports(topology, name) {
            let backends = addresses.behind(topology, name, protocol, port);
            for address in list {
                let same_family = |backend: &&SocketAddr| backend.is_ipv4() == address.is_ipv4();
                let behind = backends.iter().filter(same_family).copied().collect();
                table.insert((*address, protocol, port.get()), behind);
            }
        }
    }
    table
}

fn ports(topology: &Topology, name: &NamespacedName) -> Vec<(Protocol, Port)> {
    match topology.services.get(name) {
        Some(service) => service.ports.iter().map(|port| (port.protocol, port.port)).collect(),
        None => Port::new(53)
            .map(|port| [(Protocol::Udp, port), (Protocol::Tcp, port)])
            .into_iter()
            .flatten()
            .collect(),
    }
}
