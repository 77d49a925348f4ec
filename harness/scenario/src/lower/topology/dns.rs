//! The DNS servers that the pods of a topology use.

use std::net::IpAddr;

use super::{TopologyDraft, TopologyPart};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::suggest::did_you_mean;
use crate::name::{HostName, NamespacedName};
use crate::topology::{
    DNS_PORT, DNS_SERVICE, Dns, Endpoint, LOCAL_NODE, Nameserver, Served, ServedProtocol, Service, Topology,
};

/// Reads the DNS server and cache of the last file that has any.
pub(super) fn lower(parts: &[TopologyPart], draft: &mut TopologyDraft, mistakes: &mut Mistakes) {
    for part in parts {
        let Some(written) = &part.content.dns else { continue };
        let service = written.service.as_ref().and_then(|service| {
            mistakes.keep(&part.file, service.position, known_service(&service.value, &draft.topology))
        });
        let cache = written.cache.as_ref().and_then(|cache| {
            mistakes.keep(&part.file, cache.position, known_cache(&cache.value, &draft.topology))
        });
        let further = written.nameservers.iter();
        let nameservers = further.filter_map(|server| {
            mistakes.keep(&part.file, server.position, known_server(&server.value, &draft.topology))
        });
        let nameservers = nameservers.collect();
        draft.topology.dns = Dns { service, cache, nameservers };
    }
}

/// A service of the topology by its name, `namespace/name`.
pub(super) fn service_called<'a>(
    text: &str,
    topology: &'a Topology,
) -> Result<(NamespacedName, &'a Service), Mistake> {
    let name = text.parse::<NamespacedName>()?;
    let Some(service) = topology.services.get(&name) else {
        let known: Vec<String> = topology.services.keys().map(ToString::to_string).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let help = did_you_mean(text, "the services are", &known);
        return Err(Mistake::new(format!("no service is called `{name}`")).help(help));
    };
    Ok((name, service))
}

/// A service that offers DNS.
fn known_service(text: &str, topology: &Topology) -> Result<NamespacedName, Mistake> {
    let (name, service) = service_called(text, topology)?;
    if service.ports.iter().any(|port| port.port.get() == 53) {
        return Ok(name);
    }
    let mistake =
        Mistake::new(format!("service `{name}` does not offer port 53, which pods use for queries"));
    Err(mistake.help("give it `ports: {53/udp: 53, 53: 53}`".to_owned()))
}

/// A service that offers DNS, or a host outside or a node that serves it.
fn known_server(text: &str, topology: &Topology) -> Result<Nameserver, Mistake> {
    // Every cluster has it, even if the topology does not mention it.
    if text == DNS_SERVICE {
        return Ok(Nameserver::Service(text.parse()?));
    }
    if text.contains('/') {
        return known_service(text, topology).map(Nameserver::Service);
    }
    if text.parse::<IpAddr>().is_ok() {
        let mistake = Mistake::new(format!("`{text}` is an address, but DNS servers are named"));
        let help =
            format!("make it a host outside: `world: {{resolver: {{address: {text}, serves: [dns 53]}}}}`");
        return Err(mistake.help(help));
    }
    let name = text.parse::<HostName>()?;
    let endpoint = if topology.world.contains_key(&name) {
        Endpoint::World(name)
    } else if topology.nodes.contains_key(&name) {
        Endpoint::Node(name)
    } else {
        let known: Vec<&str> =
            topology.world.keys().chain(topology.nodes.keys()).map(HostName::as_str).collect();
        let help = did_you_mean(text, "the hosts outside and the nodes are", &known);
        return Err(Mistake::new(format!("`{text}` is neither a host outside nor a node")).help(help));
    };
    let serves_dns =
        |served: &Served| served.protocol == ServedProtocol::Dns && served.port.get() == DNS_PORT;
    if topology.silent.contains(&endpoint) || topology.serves(&endpoint).iter().any(serves_dns) {
        return Ok(Nameserver::Endpoint(endpoint));
    }
    let mistake =
        Mistake::new(format!("`{text}` serves no DNS on port {DNS_PORT}, which pods use for queries"));
    Err(mistake.help(format!("let it serve `dns {DNS_PORT}`")))
}

/// The node of the pods, or one of its pods.
fn known_cache(text: &str, topology: &Topology) -> Result<Endpoint, Mistake> {
    if text == LOCAL_NODE {
        return Ok(Endpoint::Node(text.parse()?));
    }
    let name = text.parse::<NamespacedName>().map_err(|_| {
        Mistake::new(format!("`{text}` is not a cache of names on the pods' node"))
            .help(format!("write `{LOCAL_NODE}`, or `namespace/name` of a pod"))
    })?;
    let Some(pod) = topology.pods.get(&name) else {
        let known: Vec<String> = topology.pods.keys().map(ToString::to_string).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let help = did_you_mean(text, "the pods are", &known);
        return Err(Mistake::new(format!("no pod is called `{name}`")).help(help));
    };
    Ok(pod.host_network.clone().map_or(Endpoint::Pod(name), Endpoint::Node))
}
