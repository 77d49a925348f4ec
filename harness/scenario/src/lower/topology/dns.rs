//! The DNS server that the pods of a topology use.

use super::{TopologyDraft, TopologyPart};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::suggest::did_you_mean;
use crate::name::NamespacedName;
use crate::topology::{Dns, Endpoint, LOCAL_NODE, Topology};

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
        draft.topology.dns = Dns { service, cache };
    }
}

/// A service that offers DNS.
fn known_service(text: &str, topology: &Topology) -> Result<NamespacedName, Mistake> {
    let name = text.parse::<NamespacedName>()?;
    let Some(service) = topology.services.get(&name) else {
        let known: Vec<String> = topology.services.keys().map(ToString::to_string).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let help = did_you_mean(text, "the services are", &known);
        return Err(Mistake::new(format!("no service is called `{name}`")).help(help));
    };
    if service.ports.iter().any(|port| port.port.get() == 53) {
        return Ok(name);
    }
    let mistake =
        Mistake::new(format!("service `{name}` does not offer port 53, on which pods ask for names"));
    Err(mistake.help("give it `ports: {53/udp: 53, 53: 53}`".to_owned()))
}

/// The node of the pods, or a pod of it.
fn known_cache(text: &str, topology: &Topology) -> Result<Endpoint, Mistake> {
    if text == LOCAL_NODE {
        return Ok(Endpoint::Node(text.parse()?));
    }
    let name = text.parse::<NamespacedName>().map_err(|_| {
        Mistake::new(format!("`{text}` is no cache of names on the pods' node"))
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
