//! The services of a topology as the datapath knows them: address and port to the backends'.

use std::net::{IpAddr, SocketAddr};

use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{DNS_POD, DNS_SERVICE, Endpoint, Port, Protocol, TargetPort, Topology};

use crate::addresses::Addresses;
use crate::datapath::ServiceTable;

/// Every port of every service, in each family its address and a backend have.
pub fn of(topology: &Topology, addresses: &Addresses) -> ServiceTable {
    let mut table = ServiceTable::new();
    for (name, list) in &addresses.services {
        for (protocol, port) in ports(topology, name) {
            let backends = backends(topology, addresses, name, protocol, port);
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

/// Addresses and ports behind one port of a service, in the order of the endpoints.
pub fn backends(
    topology: &Topology,
    addresses: &Addresses,
    name: &NamespacedName,
    protocol: Protocol,
    port: Port,
) -> Vec<SocketAddr> {
    let sockets = |endpoint: &Endpoint, port: Port| {
        let list: Vec<IpAddr> = addresses.endpoints.get(endpoint).cloned().unwrap_or_default();
        list.into_iter().map(move |address| SocketAddr::new(address, port.get()))
    };
    let Some(service) = topology.services.get(name) else {
        let dns =
            (name.to_string() == DNS_SERVICE && port.get() == 53).then(|| DNS_POD.parse().ok()).flatten();
        return dns.map(|pod| sockets(&Endpoint::Pod(pod), port).collect()).unwrap_or_default();
    };
    let offered = service.ports.iter().find(|offered| offered.port == port && offered.protocol == protocol);
    let Some(offered) = offered else { return Vec::new() };
    let behind = topology.backends(name).into_iter().filter_map(|endpoint| {
        let target = match &offered.target {
            TargetPort::Number(number) => Some(*number),
            TargetPort::Name(wanted) => {
                let mut served = topology.serves(&endpoint).iter();
                served.find(|served| served.name.as_ref() == Some(wanted)).map(|served| served.port)
            }
        };
        target.map(|target| sockets(&endpoint, target).collect::<Vec<_>>())
    });
    behind.flatten().collect()
}
