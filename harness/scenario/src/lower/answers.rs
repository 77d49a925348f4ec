//! Checks that some server answers an attempt.

use std::net::IpAddr;

use super::mistake::Mistake;
use super::suggest::{did_you_mean, listed, of_api_server};
use super::topology::services::target_served;
use crate::attempt::{Scheme, Target};
use crate::name::{DnsName, NamespacedName};
use crate::topology::{
    CLUSTER_DOMAIN, DNS_POD, DNS_PORT, Endpoint, Port, Protocol, Resolved, ServedProtocol, ServicePort,
    Topology,
};

/// Whether any server answers on the port.
pub(super) fn reachable(
    target: &Target,
    protocol: Protocol,
    port: Port,
    scheme: Option<Scheme>,
    topology: &Topology,
) -> Result<(), Mistake> {
    match target {
        Target::Endpoint(endpoint) | Target::PodOfSharedName(endpoint) => {
            endpoint_answers(endpoint, protocol, port, scheme, topology)
        }
        Target::Service(name)
        | Target::Backend { service: name, .. }
        | Target::Over { service: name, .. } => service_answers(name, protocol, port, scheme, topology),
        Target::Name(name) => match resolve(name, topology)? {
            Resolved::Service(name) if topology.is_headless(&name) => {
                somebody_answers(&name, protocol, port, scheme, topology)
            }
            Resolved::Service(name) => service_answers(&name, protocol, port, scheme, topology),
            Resolved::World(host) => {
                endpoint_answers(&Endpoint::World(host), protocol, port, scheme, topology)
            }
        },
    }
}

/// Whether a backend of a headless service answers on a port of its own.
fn somebody_answers(
    name: &NamespacedName,
    protocol: Protocol,
    port: Port,
    scheme: Option<Scheme>,
    topology: &Topology,
) -> Result<(), Mistake> {
    let mut answers = topology
        .backends(name)
        .into_iter()
        .map(|endpoint| endpoint_answers(&endpoint, protocol, port, scheme, topology));
    let nobody = || Err(Mistake::new(format!("service `{name}` has no backend in this step")));
    let first = answers.next().unwrap_or_else(nobody);
    if first.is_ok() || answers.any(|answer| answer.is_ok()) { Ok(()) } else { first }
}

fn wanted(protocol: Protocol, port: Port, scheme: Option<Scheme>) -> String {
    scheme.map_or_else(|| format!("{protocol} {port}"), |scheme| format!("{scheme} {port}"))
}

/// The server that a request needs.
fn speaking(scheme: Scheme) -> ServedProtocol {
    match scheme {
        Scheme::Http => ServedProtocol::Http,
        Scheme::Https => ServedProtocol::Https,
    }
}

pub(super) fn endpoint_answers(
    endpoint: &Endpoint,
    protocol: Protocol,
    port: Port,
    scheme: Option<Scheme>,
    topology: &Topology,
) -> Result<(), Mistake> {
    if let Some((pod, own)) = topology.behind_host_port(endpoint, protocol, port) {
        return endpoint_answers(&pod, protocol, own, scheme, topology);
    }
    let is_dns = endpoint.to_string() == DNS_POD
        && port.get() == DNS_PORT
        && protocol != Protocol::Sctp
        && scheme.is_none();
    let serves = topology.serves(endpoint);
    let answers = |served: &crate::topology::Served| {
        served.port == port
            && served.protocol.answers(protocol)
            && scheme.is_none_or(|scheme| served.protocol == speaking(scheme))
    };
    // A silent endpoint answers on no port.
    let is_silent = serves.is_empty() && topology.silent.contains(endpoint);
    if is_dns || is_silent || serves.iter().any(answers) {
        return Ok(());
    }
    let message = format!("`{endpoint}` does not serve {}", wanted(protocol, port, scheme));
    let offered = topology.services.iter().find(|(name, service)| {
        service.ports.iter().any(|offered| offered.port == port) && topology.backends(name).contains(endpoint)
    });
    let mut all: Vec<String> = serves.iter().map(ToString::to_string).collect();
    if all.is_empty() && endpoint.to_string() == DNS_POD {
        all.push("dns 53".to_owned());
    }
    let all = if all.is_empty() {
        format!("it serves nothing: give it `serves: [{}]`", wanted(protocol, port, scheme))
    } else {
        format!("it serves {}", listed(all.iter().map(String::as_str)))
    };
    let help = match offered {
        Some((service, _)) => format!("{port} is the port of service `{service}` in front of it; {all}"),
        None => all,
    };
    Err(Mistake::new(message).help(help))
}

fn service_answers(
    name: &NamespacedName,
    protocol: Protocol,
    port: Port,
    scheme: Option<Scheme>,
    topology: &Topology,
) -> Result<(), Mistake> {
    let Some(service) = topology.services.get(name) else {
        // The only service that needs no declaration is that of the DNS server.
        if port.get() == 53 && protocol != Protocol::Sctp && scheme.is_none() {
            return Ok(());
        }
        let message = format!("service `{name}` does not offer {}", wanted(protocol, port, scheme));
        return Err(Mistake::new(message).help("it offers `53` over UDP and TCP".to_owned()));
    };
    let offered = service.ports.iter().find(|offered| offered.port == port && offered.protocol == protocol);
    let Some(offered) = offered else {
        return Err(port_not_offered(name, protocol, port, topology, &service.ports));
    };
    let backends = topology.backends(name);
    if backends.is_empty() {
        return Err(Mistake::new(format!("service `{name}` has no backend in this step")));
    }
    let answers = |endpoint: &Endpoint| {
        target_served(topology, endpoint, protocol, &offered.target)
            .is_some_and(|port| endpoint_answers(endpoint, protocol, port, scheme, topology).is_ok())
    };
    if backends.iter().any(answers) {
        return Ok(());
    }
    let what = match scheme {
        None => "anything",
        Some(Scheme::Http) => "HTTP",
        Some(Scheme::Https) => "HTTPS",
    };
    Err(Mistake::new(format!("no backend of port {port} of service `{name}` serves {what} in this step")))
}

fn port_not_offered(
    name: &NamespacedName,
    protocol: Protocol,
    port: Port,
    topology: &Topology,
    ports: &[ServicePort],
) -> Mistake {
    let offers: Vec<String> =
        ports.iter().map(|offered| format!("{}/{}", offered.port, offered.protocol)).collect();
    let offers = format!("it offers {}", listed(offers.iter().map(String::as_str)));
    let backends = topology.backends(name);
    let behind =
        backends.iter().any(|endpoint| topology.serves(endpoint).iter().any(|served| served.port == port));
    let help = if behind { format!("{port} is the port of its backends; {offers}") } else { offers };
    Mistake::new(format!("service `{name}` does not offer {protocol} {port}")).help(help)
}

/// What a name resolves to.
pub(super) fn resolve(name: &DnsName, topology: &Topology) -> Result<Resolved, Mistake> {
    topology.resolve(name).ok_or_else(|| {
        let names: Vec<&str> =
            topology.world.values().flat_map(|host| host.names.iter().map(DnsName::as_str)).collect();
        let services = topology
            .services
            .keys()
            .map(|service| format!("{}.{}.svc.{}", service.name, service.namespace, CLUSTER_DOMAIN));
        let services: Vec<String> = services.collect();
        let known: Vec<&str> = names.into_iter().chain(services.iter().map(String::as_str)).collect();
        let nothing = || "names resolve to services and hosts outside, and there are none".to_owned();
        let near = || did_you_mean(name.as_str(), "the names that resolve are", &known);
        let other = || if known.is_empty() { nothing() } else { near() };
        let help = of_address(name.as_str(), topology)
            .or_else(|| of_api_server(name.as_str()))
            .unwrap_or_else(other);
        Mistake::new(format!("`{name}` does not resolve in this topology")).help(help)
    })
}

/// What to do about an address in place of a name.
pub(super) fn of_address(text: &str, topology: &Topology) -> Option<String> {
    let address: IpAddr = text.trim_matches(['[', ']']).parse().ok()?;
    Some(match topology.owner_of(address) {
        Some(owner) => format!("it is the address of `{owner}`: write `{owner}` in its place"),
        None => format!(
            "attempts use names: make it a host outside, `world: {{far: {{address: {address}, serves: [tcp 443]}}}}`, \
             or name the pod, service or node that has it"
        ),
    })
}
