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
    let sought = SoughtTarget { source, attempt, protocol, topology, addresses, behind };
    let (sockets, backends) = (sought.sockets(), sought.backends());
    let gateway = Endpoint::Cilium(CiliumEndpoint::Ingress);
    let relay = attempt.target().and_then(|target| target.relay(source, topology)).map(Endpoint::Node);
    let relay = relay.or_else(|| sought.is_gateway().then_some(gateway));
    let relays = relay.and_then(|relay| addresses.get(&relay)).cloned().unwrap_or_default();
    let own = sought.at(source);
    // A pod that reaches itself arrives under another address, an echo is answered by the kernel, and a connection that
    // is kept has arrived before.
    let itself = sockets.iter().any(|socket| own.iter().any(|own| own.ip() == socket.ip()));
    let unanswered = topology.is_unanswered(attempt) && sought.redirected().is_none();
    let is_seen = attempt.kept().is_none()
        && !matches!(attempt.plain(), Attempt::Ping { .. } | Attempt::IcmpMessage { .. });
    let tells = is_seen && !sockets.is_empty() && !itself && !unanswered;
    let asks_on = !topology.dns.nameservers.is_empty();
    let dns_servers = DnsServers::Anybody;
    Destinations { sockets, backends, tells, unanswered, dns_servers, asks_on, relays }
}

/// The target of an attempt, and what its sockets are looked up in.
struct SoughtTarget<'a, F> {
    source: &'a Endpoint,
    attempt: &'a Attempt,
    protocol: Protocol,
    topology: &'a Topology,
    addresses: &'a BTreeMap<Endpoint, Vec<IpAddr>>,
    behind: F,
}

impl<F: Fn(&NamespacedName, Protocol, Port) -> Vec<SocketAddr>> SoughtTarget<'_, F> {
    fn sockets(&self) -> Vec<SocketAddr> {
        if let Some(backends) = self.redirected() {
            return backends.iter().flat_map(|(pod, port)| self.sockets_of(pod, *port)).collect();
        }
        match self.attempt.target() {
            None => {
                let servers = self.topology.all_dns_servers(self.protocol).into_iter().flatten();
                let servers = servers.filter_map(|(server, port)| Some((server, port?)));
                servers.flat_map(|(server, port)| self.sockets_of(&server, port)).collect()
            }
            Some(Target::Endpoint(endpoint)) if self.is_gateway() => {
                self.at(endpoint).into_iter().chain(self.behind_gateway()).collect()
            }
            Some(Target::Endpoint(endpoint) | Target::PodOfSharedName(endpoint)) => {
                match self.topology.led_by_host_port(self.attempt) {
                    Some((pod, port)) => self.sockets_of(&pod, port),
                    None => self.at(endpoint),
                }
            }
            Some(
                target @ (Target::Service(service)
                | Target::Backend { service, .. }
                | Target::Over { service, .. }),
            ) => {
                let own = target.backend();
                let own = own.map(|backend| self.addresses.get(backend).map_or(&[][..], Vec::as_slice));
                let is_meant = |socket: &SocketAddr| own.is_none_or(|own| own.contains(&socket.ip()));
                self.through(service).into_iter().filter(is_meant).collect()
            }
            Some(Target::Name(name)) => match self.topology.resolve(name) {
                Some(Resolved::Service(service)) if self.topology.is_headless(&service) => {
                    self.topology.backends(&service).iter().flat_map(|backend| self.at(backend)).collect()
                }
                Some(Resolved::Service(service)) => self.through(&service),
                Some(Resolved::World(host)) => self.at(&Endpoint::World(host)),
                None => Vec::new(),
            },
        }
    }

    /// Where a local redirect policy leads the source, if one does.
    fn redirected(&self) -> Option<Vec<(Endpoint, Port)>> {
        let port = self.attempt.port()?;
        let to = |target: &Target| self.topology.redirected(self.source, target, self.protocol, port);
        match self.attempt.target()? {
            Target::Name(name) => match self.topology.resolve(name)? {
                Resolved::Service(service) => to(&Target::Service(service)),
                Resolved::World(host) => to(&Target::Endpoint(Endpoint::World(host))),
            },
            target => to(target),
        }
    }

    /// The sockets of each backend, where the target is a service that may lead to any.
    fn backends(&self) -> BTreeMap<SocketAddr, Endpoint> {
        let (Some(Target::Service(service) | Target::Over { service, backend: None, .. }), Some(port)) =
            (self.attempt.target(), self.attempt.port())
        else {
            return BTreeMap::new();
        };
        let behind = || {
            let backends = self.topology.behind(service, self.protocol, port).into_iter();
            backends.filter_map(|(backend, port)| Some((backend, port?))).collect()
        };
        let backends = self.redirected().unwrap_or_else(behind).into_iter();
        let sockets = backends.flat_map(|(backend, port)| {
            self.sockets_of(&backend, port).into_iter().map(move |socket| (socket, backend.clone()))
        });
        sockets.collect()
    }

    fn is_gateway(&self) -> bool {
        let target = self.attempt.target().and_then(Target::endpoint);
        !self.topology.routes.is_empty() && target == Some(&Endpoint::Cilium(CiliumEndpoint::Ingress))
    }

    fn behind_gateway(&self) -> Vec<SocketAddr> {
        let Attempt::Http { request, .. } = self.attempt.plain() else { return Vec::new() };
        let route = self.topology.route(request.host(), &request.path);
        route.map(|route| (self.behind)(&route.service, self.protocol, route.port)).unwrap_or_default()
    }

    fn through(&self, service: &NamespacedName) -> Vec<SocketAddr> {
        let port = self.attempt.port();
        port.map(|port| (self.behind)(service, self.protocol, port)).unwrap_or_default()
    }

    /// An endpoint under the port that is tried.
    fn at(&self, endpoint: &Endpoint) -> Vec<SocketAddr> {
        let addresses = self.addresses.get(endpoint).into_iter().flatten();
        let port = self.attempt.port().map_or(0, Port::get);
        addresses.map(|address| SocketAddr::new(*address, port)).collect()
    }

    fn sockets_of(&self, endpoint: &Endpoint, port: Port) -> Vec<SocketAddr> {
        let own = self.addresses.get(endpoint).into_iter().flatten();
        own.map(|address| SocketAddr::new(*address, port.get())).collect()
    }
}
