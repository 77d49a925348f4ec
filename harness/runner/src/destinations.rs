//! Where attempts may arrive.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{CiliumEndpoint, Endpoint, Port, Protocol, Resolved, Topology};

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
    let protocol = attempt.protocol().unwrap_or(Protocol::Tcp);
    let port = attempt.port();
    let at = |endpoint: &Endpoint| -> Vec<SocketAddr> {
        let addresses = addresses.get(endpoint).into_iter().flatten();
        addresses.map(|address| SocketAddr::new(*address, port.map_or(0, Port::get))).collect()
    };
    let through =
        |service: &NamespacedName| port.map(|port| behind(service, protocol, port)).unwrap_or_default();
    let sockets_of = |endpoint: &Endpoint, port: Port| -> Vec<SocketAddr> {
        let own = addresses.get(endpoint).into_iter().flatten();
        own.map(|address| SocketAddr::new(*address, port.get())).collect()
    };
    let dns = || {
        let servers =
            topology.dns_servers(protocol).into_iter().filter_map(|(server, port)| Some((server, port?)));
        servers.flat_map(|(server, port)| sockets_of(&server, port)).collect()
    };
    let backends = match attempt.target() {
        Some(Target::Service(service) | Target::Over { service, backend: None, .. }) => {
            port.map(|port| topology.behind(service, protocol, port))
        }
        _ => None,
    };
    let backends = backends.into_iter().flatten().filter_map(|(backend, port)| Some((backend, port?)));
    let backends = backends.flat_map(|(backend, port)| {
        sockets_of(&backend, port).into_iter().map(move |socket| (socket, backend.clone()))
    });
    let backends = backends.collect();
    let gateway = Endpoint::Cilium(CiliumEndpoint::Ingress);
    let is_gateway =
        !topology.routes.is_empty() && attempt.target().and_then(Target::endpoint) == Some(&gateway);
    let sockets = match attempt.target() {
        None => dns(),
        Some(Target::Endpoint(endpoint)) if is_gateway => {
            let route = match attempt.plain() {
                Attempt::Http { request, .. } => topology.route(request.host(), &request.path),
                _ => None,
            };
            let behind = route.map(|route| behind(&route.service, protocol, route.port));
            at(endpoint).into_iter().chain(behind.into_iter().flatten()).collect()
        }
        Some(Target::Endpoint(endpoint) | Target::PodOfSharedName(endpoint)) => at(endpoint),
        Some(
            target @ (Target::Service(service)
            | Target::Backend { service, .. }
            | Target::Over { service, .. }),
        ) => {
            let own = target.backend().map(|backend| addresses.get(backend).map_or(&[][..], Vec::as_slice));
            let is_meant = |socket: &SocketAddr| own.is_none_or(|own| own.contains(&socket.ip()));
            through(service).into_iter().filter(is_meant).collect()
        }
        Some(Target::Name(name)) => match topology.resolve(name) {
            Some(Resolved::Service(service)) if topology.is_headless(&service) => {
                topology.backends(&service).iter().flat_map(at).collect()
            }
            Some(Resolved::Service(service)) => through(&service),
            Some(Resolved::World(host)) => at(&Endpoint::World(host)),
            None => Vec::new(),
        },
    };
    let relay = attempt.target().and_then(|target| target.relay(source, topology)).map(Endpoint::Node);
    let relay = relay.or_else(|| is_gateway.then_some(gateway));
    let relays = relay.and_then(|relay| addresses.get(&relay)).cloned().unwrap_or_default();
    let own = at(source);
    // A pod that reaches itself arrives under another address, and an echo is answered by the kernel.
    let itself = sockets.iter().any(|socket| own.iter().any(|own| own.ip() == socket.ip()));
    let unanswered = topology.is_unanswered(attempt);
    let tells =
        !matches!(attempt.plain(), Attempt::Ping { .. }) && !sockets.is_empty() && !itself && !unanswered;
    Destinations { sockets, backends, tells, unanswered, dns_servers: DnsServers::Anybody, relays }
}
