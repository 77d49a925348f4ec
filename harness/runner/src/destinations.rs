//! Where attempts may arrive.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{DNS_SERVICE, Endpoint, Port, Protocol, Resolved, Topology};

use verdikt_verdict::correlate::DnsServers;

use crate::backend::Destinations;

/// Every address and port behind the target of an attempt, where `addresses` are those of the endpoints and `behind`
/// answers what is behind a service.
pub(crate) fn destinations(
    source: &Endpoint,
    attempt: &Attempt,
    topology: &Topology,
    addresses: &BTreeMap<Endpoint, Vec<IpAddr>>,
    behind: impl Fn(&NamespacedName, Protocol, Port) -> Vec<SocketAddr>,
) -> Destinations {
    let protocol = match attempt {
        Attempt::Connect { protocol, .. } | Attempt::Dns { protocol, .. } => *protocol,
        Attempt::Ping { .. } | Attempt::Http { .. } => Protocol::Tcp,
    };
    let port = attempt.port();
    let at = |endpoint: &Endpoint| -> Vec<SocketAddr> {
        let addresses = addresses.get(endpoint).into_iter().flatten();
        addresses.map(|address| SocketAddr::new(*address, port.map_or(0, Port::get))).collect()
    };
    let through =
        |service: &NamespacedName| port.map(|port| behind(service, protocol, port)).unwrap_or_default();
    let dns = || DNS_SERVICE.parse().map(|service| through(&service)).unwrap_or_default();
    let backends = match attempt.target() {
        Some(Target::Service(service)) => port.map(|port| topology.behind(service, protocol, port)),
        Some(Target::Backend { .. } | Target::Endpoint(_) | Target::PodOfSharedName(_) | Target::Name(_))
        | None => None,
    };
    let backends = backends.into_iter().flatten().filter_map(|(backend, port)| Some((backend, port?)));
    let backends = backends.flat_map(|(backend, port)| {
        let own = addresses.get(&backend).cloned().unwrap_or_default();
        own.into_iter().map(move |address| (SocketAddr::new(address, port.get()), backend.clone()))
    });
    let backends = backends.collect();
    let sockets = match attempt.target() {
        None => dns(),
        Some(Target::Endpoint(endpoint) | Target::PodOfSharedName(endpoint)) => at(endpoint),
        Some(Target::Service(service)) => through(service),
        Some(Target::Backend { service, backend }) => {
            let own = addresses.get(backend).map_or(&[][..], Vec::as_slice);
            through(service).into_iter().filter(|socket| own.contains(&socket.ip())).collect()
        }
        Some(Target::Name(name)) => match topology.resolve(name) {
            Some(Resolved::Service(service)) => through(&service),
            Some(Resolved::World(host)) => at(&Endpoint::World(host)),
            None => Vec::new(),
        },
    };
    let own = at(source);
    // A pod that reaches itself arrives under another address, and an echo is answered by the kernel.
    let itself = sockets.iter().any(|socket| own.iter().any(|own| own.ip() == socket.ip()));
    let tells = !matches!(attempt, Attempt::Ping { .. }) && !sockets.is_empty() && !itself;
    Destinations { sockets, backends, tells, dns_servers: DnsServers::Anybody }
}
