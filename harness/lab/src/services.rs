//! The services of a topology as the datapath knows them: address and port to the backends'. A service with several
//! backends has, beside its own address, one for each of them.

use std::net::{IpAddr, SocketAddr};

use verdikt_probes::addresses::Addresses;
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
                table.insert((*address, protocol, port.get()), of_family(address, &backends));
            }
        }
    }
    for ((name, backend), list) in &addresses.backends {
        let own = addresses.endpoints.get(backend).map_or(&[][..], Vec::as_slice);
        for (protocol, port) in ports(topology, name) {
            let mut backends = addresses.behind(topology, name, protocol, port);
            backends.retain(|socket| own.contains(&socket.ip()));
            for address in list {
                table.insert((*address, protocol, port.get()), of_family(address, &backends));
            }
        }
    }
    table
}

fn of_family(address: &IpAddr, backends: &[SocketAddr]) -> Vec<SocketAddr> {
    backends.iter().filter(|backend| backend.is_ipv4() == address.is_ipv4()).copied().collect()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use verdikt_scenario::topology::{Pod, Service, ServicePort, TargetPort};

    use super::*;
    use crate::addresses::next;

    #[test]
    fn a_backend_has_an_address_that_leads_to_it_alone() {
        let mut topology = Topology::default();
        topology.pods.insert("a/one".parse().unwrap(), Pod::default());
        topology.pods.insert("a/two".parse().unwrap(), Pod::default());
        let port = ServicePort {
            port: Port::new(80).unwrap(),
            protocol: Protocol::Tcp,
            target: TargetPort::Number(Port::new(3000).unwrap()),
        };
        let service = Service { selects: Some(BTreeMap::new()), ports: vec![port], ..Service::default() };
        topology.services.insert("a/front".parse().unwrap(), service);
        let table = of(&topology, &next(&Addresses::default(), &topology));
        let lines = table.iter().filter(|((_, protocol, _), _)| *protocol == Protocol::Tcp);
        let lines: Vec<String> =
            lines.map(|((address, _, port), behind)| format!("{address}:{port} {behind:?}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        245.96.0.10:53 [10.244.0.12:53]
        245.96.1.0:80 [10.244.0.10:3000, 10.244.0.11:3000]
        245.97.1.0:80 [10.244.0.10:3000]
        245.97.1.1:80 [10.244.0.11:3000]
        ");
    }
}
