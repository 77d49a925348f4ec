//! Which sockets of a topology are tested: those whose addresses a real cluster may load-balance.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use verdikt_probes::addresses::Addresses;
use verdikt_scenario::topology::{Endpoint, Protocol, Topology};

use super::TriedSocket;
use crate::datapath::ServiceTable;

/// The ports of services, and those that nodes and hosts outside serve: a cluster load-balances ports of its nodes,
/// and addresses outside that its services have.
pub(crate) fn to_try(
    topology: &Topology,
    addresses: &Addresses,
    services: &ServiceTable,
) -> BTreeSet<TriedSocket> {
    let of_services = services
        .backends
        .keys()
        .chain(services.host_ports.keys())
        .map(|(address, protocol, port)| (*protocol, SocketAddr::new(*address, *port)));
    let own = addresses.endpoints.iter().filter(|(endpoint, _)| may_be_balanced(topology, endpoint));
    of_services.chain(own.flat_map(|(endpoint, list)| served(topology, endpoint, list))).collect()
}

/// Whether an endpoint has an address that may belong to a node or a service of a real cluster. Socket load balancers
/// do not rewrite addresses of pods.
fn may_be_balanced(topology: &Topology, endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::World(_) | Endpoint::Node(_) => true,
        Endpoint::Pod(name) => topology.pods.get(name).is_some_and(|pod| pod.host_network.is_some()),
        Endpoint::Cilium(_) => false,
    }
}

/// The ports on which an endpoint with these addresses serves.
fn served<'a>(
    topology: &'a Topology,
    endpoint: &Endpoint,
    addresses: &'a [IpAddr],
) -> impl Iterator<Item = TriedSocket> + 'a {
    let ports = topology.serves(endpoint).iter().flat_map(|served| {
        let protocols = [Protocol::Tcp, Protocol::Udp].into_iter();
        protocols
            .filter(|protocol| served.protocol.answers(*protocol))
            .map(|protocol| (protocol, served.port))
    });
    ports.flat_map(|(protocol, port)| {
        let addresses = addresses.iter().filter(|address| leaves(**address));
        addresses.map(move |address| (protocol, SocketAddr::new(*address, port.get())))
    })
}

/// Whether a packet to an address leaves a socket that is bound to no device.
fn leaves(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_broadcast(),
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use verdikt_scenario::topology::{
        Node, Pod, Port, Served, ServedProtocol, Service, ServicePort, TargetPort, WorldHost,
    };

    use super::*;
    use crate::addresses::next;
    use crate::services;

    #[test]
    fn services_nodes_and_hosts_outside_are_tried() {
        let port = |number| Port::new(number).unwrap();
        let serves = |protocol, number| vec![Served { protocol, port: port(number), name: None }];
        let mut topology = Topology::default();
        let pod = Pod { serves: serves(ServedProtocol::Tcp, 80), ..Pod::default() };
        topology.pods.insert("a/web".parse().unwrap(), pod);
        let target = TargetPort::Number(port(80));
        let ports = vec![ServicePort { port: port(80), protocol: Protocol::Tcp, target }];
        let service = Service { selects: Some(BTreeMap::new()), ports, ..Service::default() };
        topology.services.insert("a/front".parse().unwrap(), service);
        let node = Node {
            address: Some("172.18.0.2".parse().unwrap()),
            serves: serves(ServedProtocol::Http, 30080),
            ..Node::default()
        };
        topology.nodes.insert("host".parse().unwrap(), node);
        for (name, address) in [("outside", "203.0.113.7"), ("link", "fe80::1")] {
            let host = WorldHost {
                address: address.parse().unwrap(),
                names: BTreeSet::new(),
                serves: serves(ServedProtocol::Dns, 53),
                aliases: [].into(),
                api_server: false,
            };
            topology.world.insert(name.parse().unwrap(), host);
        }
        let addresses = next(&Addresses::default(), &topology);
        let tried = to_try(&topology, &addresses, &services::of(&topology, &addresses));
        let lines: Vec<String> =
            tried.iter().map(|(protocol, socket)| format!("{protocol} {socket}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        tcp 172.18.0.2:30080
        tcp 198.51.100.2:53
        tcp 203.0.113.7:53
        tcp 245.96.0.10:53
        tcp 245.96.1.0:80
        tcp [fd00:198:51::2]:53
        tcp [fd76:6572:6469:96::a]:53
        tcp [fd76:6572:6469:96::100]:80
        tcp [fd76:6572:6469:172::2]:30080
        udp 198.51.100.2:53
        udp 203.0.113.7:53
        udp 245.96.0.10:53
        udp [fd00:198:51::2]:53
        udp [fd76:6572:6469:96::a]:53
        ");
    }
}
