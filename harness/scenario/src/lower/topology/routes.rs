//! The routes of the gateway.

use super::{TopologyDraft, TopologyPart, WinningKey, winners};
use crate::attempt::{Request, Target};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::served::port;
use crate::lower::suggest::{did_you_mean, listed};
use crate::name::{DnsName, NamespacedName};
use crate::topology::{CiliumEndpoint, Endpoint, GatewayRoute, Port, Protocol, Topology};

/// Reads the routes of every file; the later file wins.
pub(super) fn lower(parts: &[TopologyPart], draft: &mut TopologyDraft, mistakes: &mut Mistakes) {
    for (key, WinningKey { file, position, value }) in winners(parts, |part| &part.routes) {
        if !draft.topology.cilium.contains(&CiliumEndpoint::Ingress) {
            let mistake = Mistake::new(format!("`{key}` is a route, but the topology has no gateway"));
            mistakes.add(file, position, mistake.help("add `cilium: [ingress]`".to_owned()));
            continue;
        }
        let of_service = value.value.rsplit_once(':').map_or(value.value.as_str(), |(name, _)| name);
        if draft.broken.contains(of_service) {
            continue;
        }
        let to = mistakes.keep(file, value.position, destination(&value.value, &draft.topology));
        if let Some((service, port)) = to
            && let Some((host, prefix)) = mistakes.keep(file, position, begins_with(key))
        {
            let routes = &mut draft.topology.routes;
            routes.retain(|other| (&other.host, &other.prefix) != (&host, &prefix));
            routes.push(GatewayRoute { host, prefix, service, port });
        }
    }
}

/// The host, if any, and the start of the path.
fn begins_with(text: &str) -> Result<(Option<DnsName>, String), Mistake> {
    let Some(slash) = text.find('/') else {
        let mistake = Mistake::new(format!("`{text}` is not a route: it has no path"));
        let help = if text.contains('.') {
            format!("write `{text}/`")
        } else {
            format!("write `/{text}`; with a host in front it is `api.example.test/{text}`")
        };
        return Err(mistake.help(help));
    };
    let (host, prefix) = text.split_at(slash);
    let host = if host.is_empty() { None } else { Some(host.parse()?) };
    Ok((host, prefix.to_owned()))
}

/// `namespace/service:port` of a service that has the port.
fn destination(text: &str, topology: &Topology) -> Result<(NamespacedName, Port), Mistake> {
    let Some((name, number)) = text.rsplit_once(':') else {
        let mistake = Mistake::new(format!("`{text}` has no port"));
        return Err(mistake.help(format!("write `{text}:80`")));
    };
    let (service, port) = (name.parse::<NamespacedName>()?, port(number)?);
    let Some(known) = topology.services.get(&service) else {
        if topology.pods.contains_key(&service) {
            let mistake = Mistake::new(format!("`{service}` is a pod, but routes need a service"));
            let help =
                "put a service in front of it: `services: {namespace/name: {selects: {…}, ports: {80: 80}}}`";
            return Err(mistake.help(help.to_owned()));
        }
        let known: Vec<String> = topology.services.keys().map(ToString::to_string).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let help = did_you_mean(name, "the services are", &known);
        return Err(Mistake::new(format!("no service is called `{service}`")).help(help));
    };
    if known.ports.iter().any(|offered| offered.port == port && offered.protocol == Protocol::Tcp) {
        return Ok((service, port));
    }
    let offers: Vec<String> =
        known.ports.iter().map(|offered| format!("{}/{}", offered.port, offered.protocol)).collect();
    let help = format!("it offers {}", listed(offers.iter().map(String::as_str)));
    Err(Mistake::new(format!("service `{service}` does not offer tcp {port}")).help(help))
}

/// A mistake if a request goes to a gateway and no route takes it.
pub(crate) fn routed(target: &Target, request: &Request, topology: &Topology) -> Result<(), Mistake> {
    let gateway = Endpoint::Cilium(CiliumEndpoint::Ingress);
    let is_routed = topology.routes.is_empty()
        || target.endpoint() != Some(&gateway)
        || topology.route(request.host(), &request.path).is_some();
    if is_routed {
        return Ok(());
    }
    let known: Vec<String> = topology.routes.iter().map(ToString::to_string).collect();
    let help = format!("its routes are for {}", listed(known.iter().map(String::as_str)));
    Err(Mistake::new(format!("no route of the gateway matches `{}`", request.path)).help(help))
}
