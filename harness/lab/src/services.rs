//! The services of a topology as the datapath needs them: from address and port to backends. A service with several
//! backends also has one address for each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use verdikt_probes::addresses::Addresses;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::settings::Routing;
use verdikt_scenario::topology::{
    DNS_PORT, Endpoint, LOCAL_NODE, Port, Protocol, RedirectFrontend, Service, Topology,
};

use crate::datapath::{RedirectedPort, Relays, ServiceTable};

/// Every port of every service, in each family in which it and a backend have an address.
pub fn of(topology: &Topology, addresses: &Addresses) -> ServiceTable {
    let mut table = ServiceTable::default();
    for lead in leads(topology, addresses) {
        if lead.is_open {
            table.open.extend(lead.addresses);
        }
        for (protocol, port) in ports(topology, lead.service) {
            let mut backends = addresses.behind(topology, lead.service, protocol, port);
            backends.retain(|socket| lead.to_alone.is_none_or(|own| own.contains(&socket.ip())));
            for address in lead.addresses {
                table.backends.insert((*address, protocol, port.get()), of_family(address, &backends));
            }
        }
    }
    table.host_ports = host_ports(topology, addresses);
    table.redirected = redirected(topology, addresses);
    table
}

/// The ports whose clients on the node are redirected by local redirect policies, with these clients and the new
/// destinations.
fn redirected(
    topology: &Topology,
    addresses: &Addresses,
) -> BTreeMap<(IpAddr, Protocol, u16), RedirectedPort> {
    let own = |endpoint: &Endpoint| addresses.endpoints.get(endpoint).map_or(&[][..], Vec::as_slice);
    let mut ports = BTreeMap::new();
    let every_port = topology.redirects.iter().flat_map(|(name, redirect)| {
        redirect.ports.iter().map(move |led| (redirect, led, topology.redirect_backends(name, redirect, led)))
    });
    for (redirect, led, backends) in every_port {
        let fronts: Vec<IpAddr> = match &redirect.frontend {
            RedirectFrontend::Address(address) => vec![*address],
            RedirectFrontend::Service(service) => {
                let of_all = addresses.services.get(service).into_iter();
                let of_each = addresses.backends.iter().filter(|((name, _), _)| name == service);
                of_all.chain(of_each.map(|(_, list)| list)).flatten().copied().collect()
            }
        };
        let clients = addresses.endpoints.iter();
        let clients = clients.filter(|(client, _)| topology.is_led(client, redirect, &backends));
        let clients: BTreeSet<IpAddr> = clients.flat_map(|(_, list)| list).copied().collect();
        let sockets = backends.iter().flat_map(|(backend, port)| {
            own(backend).iter().map(|address| SocketAddr::new(*address, port.get()))
        });
        let sockets: Vec<SocketAddr> = sockets.collect();
        for front in fronts {
            let backends = of_family(&front, &sockets);
            let redirected = RedirectedPort { clients: clients.clone(), backends };
            ports.entry((front, led.protocol, led.port.get())).or_insert(redirected);
        }
    }
    ports
}

/// The ports of the node that are forwarded to pods, in each family that both have.
fn host_ports(topology: &Topology, addresses: &Addresses) -> BTreeMap<(IpAddr, Protocol, u16), SocketAddr> {
    let own = |endpoint: &Endpoint| addresses.endpoints.get(endpoint).map_or(&[][..], Vec::as_slice);
    let Ok(node) = LOCAL_NODE.parse().map(Endpoint::Node) else { return BTreeMap::new() };
    let all = topology.pods.values().flat_map(|pod| &pod.host_ports);
    let led = all.filter_map(|led| {
        let (pod, port) = topology.behind_host_port(&node, led.protocol, led.port)?;
        Some((led, pod, port))
    });
    led.flat_map(|(led, pod, port)| {
        own(&node).iter().filter_map(move |address| {
            let same = own(&pod).iter().find(|own| own.is_ipv4() == address.is_ipv4())?;
            Some(((*address, led.protocol, led.port.get()), SocketAddr::new(*same, port.get())))
        })
    })
    .collect()
}

/// Addresses of the backends of a service.
struct BackendAddresses<'a> {
    service: &'a NamespacedName,
    addresses: &'a [IpAddr],
    /// The addresses of the only backend they lead to; none if they lead to all.
    to_alone: Option<&'a [IpAddr]>,
    /// Whether hosts outside use them.
    is_open: bool,
}

/// The addresses of services, then those of their single backends, then those through nodes.
fn leads<'a>(topology: &'a Topology, addresses: &'a Addresses) -> impl Iterator<Item = BackendAddresses<'a>> {
    let own = |backend: &Endpoint| addresses.endpoints.get(backend).map_or(&[][..], Vec::as_slice);
    let all = addresses.services.iter().map(|(service, list)| BackendAddresses {
        service,
        addresses: list,
        to_alone: None,
        is_open: is_open(topology, service),
    });
    let single = addresses.backends.iter().map(move |((service, backend), list)| BackendAddresses {
        service,
        addresses: list,
        to_alone: Some(own(backend)),
        is_open: is_open(topology, service),
    });
    let over_nodes = addresses.relays.iter().map(move |(relay, list)| BackendAddresses {
        service: &relay.service,
        addresses: list,
        to_alone: relay.backend.as_ref().map(own),
        is_open: true,
    });
    all.chain(single).chain(over_nodes)
}

/// Whether hosts outside reach a service. The lab has no node ports: they use its address.
fn is_open(topology: &Topology, name: &NamespacedName) -> bool {
    topology.services.get(name).is_some_and(Service::is_open_outside)
}

/// The addresses through which hosts outside reach services over nodes, each with the address of its node in the same
/// family; in a tunnel with itself, which no endpoint has.
pub fn relays(topology: &Topology, addresses: &Addresses) -> Relays {
    let mut relays = Relays::new();
    for (relay, list) in &addresses.relays {
        let node = relay.node.clone().or_else(|| topology.other_node()).map(Endpoint::Node);
        let own = node.and_then(|node| addresses.endpoints.get(&node)).map_or(&[][..], Vec::as_slice);
        for address in list {
            let same = match topology.settings.routing {
                Routing::Native => own.iter().find(|own| own.is_ipv4() == address.is_ipv4()),
                Routing::Tunnel => Some(address),
            };
            relays.extend(same.map(|own| (*address, *own)));
        }
    }
    relays
}

fn of_family(address: &IpAddr, backends: &[SocketAddr]) -> Vec<SocketAddr> {
    backends.iter().filter(|backend| backend.is_ipv4() == address.is_ipv4()).copied().collect()
}

fn ports(topology: &Topology, name: &NamespacedName) -> Vec<(Protocol, Port)> {
    match topology.services.get(name) {
        Some(service) => service.ports.iter().map(|port| (port.protocol, port.port)).collect(),
        None => Port::new(DNS_PORT)
            .map(|port| [(Protocol::Udp, port), (Protocol::Tcp, port)])
            .into_iter()
            .flatten()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use verdikt_scenario::topology::{Pod, Service, ServicePort, ServiceType, TargetPort};

    use super::*;
    use crate::addresses::next;

    #[test]
    fn services_for_hosts_outside_are_open() {
        let mut topology = Topology::default();
        for (name, service_type) in [
            ("a/inner", ServiceType::ClusterIp),
            ("a/node", ServiceType::NodePort),
            ("a/public", ServiceType::LoadBalancer),
        ] {
            let service = Service { service_type, ..Service::default() };
            topology.services.insert(name.parse().unwrap(), service);
        }
        let addresses = next(&Addresses::default(), &topology);
        let open = of(&topology, &addresses).open;
        let is_open =
            |name: &str| addresses.services[&name.parse().unwrap()].iter().all(|it| open.contains(it));
        assert_eq!(["a/inner", "a/node", "a/public"].map(is_open), [false, true, true]);
    }

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
        let lines = table.backends.iter().filter(|((_, protocol, _), _)| *protocol == Protocol::Tcp);
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
