//! Names of services as a pod's resolver completes them.

use super::super::mistake::Mistake;
use super::super::suggest::listed;
use crate::name::{DnsName, NamespacedName};
use crate::topology::{CLUSTER_DOMAIN, Resolved, Topology};

/// The whole name of a service that a text names as a pod's search list completes it: `api.shop`, `api.shop.svc`.
pub(super) fn relative(text: &str, topology: &Topology) -> Option<DnsName> {
    let suffixes = [format!(".svc.{CLUSTER_DOMAIN}"), format!(".{CLUSTER_DOMAIN}")];
    let names = suffixes.iter().filter_map(|suffix| format!("{text}{suffix}").parse::<DnsName>().ok());
    let mut services = names.filter(|name| matches!(topology.resolve(name), Some(Resolved::Service(_))));
    services.next()
}

/// The whole name of a service that every pod finds in its own namespace by its name alone: `api`. None if there is no such
/// service anywhere.
pub(super) fn in_own_namespace(text: &str, topology: &Topology) -> Result<Option<DnsName>, Mistake> {
    let named = topology.services.keys().filter(|service| service.name.as_str() == text);
    let named: Vec<&NamespacedName> = named.collect();
    let Some(service) = named.first() else { return Ok(None) };
    if named.len() == 1 && topology.pods.keys().all(|pod| pod.namespace == service.namespace) {
        return Ok(Some(format!("{text}.{}.svc.{CLUSTER_DOMAIN}", service.namespace).parse()?));
    }
    let names: Vec<String> = named.iter().map(|service| format!("{text}.{}", service.namespace)).collect();
    let message = format!("`{text}` means a service of the namespace of whoever looks it up");
    let names = listed(names.iter().map(String::as_str));
    Err(Mistake::new(message).help(format!("name the namespace too: {names}")))
}
