//! Service names, as a pod's resolver completes them.

use super::super::mistake::Mistake;
use super::super::suggest::listed;
use super::{find_source, target_text};
use crate::name::{DnsName, NamespaceName, NamespacedName};
use crate::topology::{CLUSTER_DOMAIN, Endpoint, Topology};

/// An attempt that names a service without its namespace, as the pods of one namespace resolve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnAttempt {
    /// The namespace.
    pub(crate) namespace: NamespaceName,
    /// The attempt, with the full name of the service.
    pub(crate) text: String,
}

/// What an attempt that names a service without its namespace (`tcp api:80`) means in each namespace that has pods
/// and such a service. Empty for every other attempt, and if it means the same for all pods.
pub(crate) fn by_namespace(text: &str, topology: &Topology) -> Vec<OwnAttempt> {
    let name = target_text(text);
    // In a URL the first slash ends the name.
    let name = if text.contains("://") { name.split('/').next().unwrap_or_default() } else { name };
    let is_query = text.trim_start().starts_with("dns");
    let is_bare =
        !is_query && !name.is_empty() && !name.contains(['/', '.']) && find_source(name, topology).is_none();
    if !is_bare || in_own_namespace(name, topology).is_ok() {
        return Vec::new();
    }
    // This part of the text only, even if the name occurs elsewhere in it.
    let start = name.as_ptr().addr() - text.as_ptr().addr();
    let named = topology.services.keys().filter(|service| service.name.as_str() == name);
    let used = named.filter(|service| topology.pods_of(&service.namespace).next().is_some());
    used.map(|service| {
        let whole = format!("{name}.{}.svc.{CLUSTER_DOMAIN}", service.namespace);
        let text = format!("{}{whole}{}", &text[..start], &text[start + name.len()..]);
        OwnAttempt { namespace: service.namespace.clone(), text }
    })
    .collect()
}

/// The attempt that a source means: a pod looks in its own namespace first.
pub fn as_source_means_it(text: &str, source: &Endpoint, topology: &Topology) -> String {
    let Endpoint::Pod(pod) = source else { return text.to_owned() };
    let own = by_namespace(text, topology).into_iter().find(|own| own.namespace == pod.namespace);
    own.map_or_else(|| text.to_owned(), |own| own.text)
}

/// The full name of a service that a text names with its namespace, as a pod's search list completes it: `api.shop`,
/// `api.shop.svc`. The service may be an alias of a name outside.
pub(super) fn relative(text: &str, topology: &Topology) -> Option<DnsName> {
    let suffixes = [format!(".svc.{CLUSTER_DOMAIN}"), format!(".{CLUSTER_DOMAIN}")];
    let names = suffixes.iter().filter_map(|suffix| format!("{text}{suffix}").parse::<DnsName>().ok());
    let mut services = names.filter(|name| topology.resolve(name).is_some());
    services.next()
}

/// The full name of a service in a pod's own namespace that a text names without the namespace: `api`. None if there
/// is no such service anywhere.
pub(super) fn in_own_namespace(text: &str, topology: &Topology) -> Result<Option<DnsName>, Mistake> {
    let named = topology.services.keys().filter(|service| service.name.as_str() == text);
    let named: Vec<&NamespacedName> = named.collect();
    let Some(service) = named.first() else { return Ok(None) };
    if named.len() == 1 && topology.pods.keys().all(|pod| pod.namespace == service.namespace) {
        return Ok(Some(format!("{text}.{}.svc.{CLUSTER_DOMAIN}", service.namespace).parse()?));
    }
    let names: Vec<String> = named.iter().map(|service| format!("{text}.{}", service.namespace)).collect();
    let message = format!("`{text}` means a service in the namespace of the pod that looks it up");
    let names = listed(names.iter().map(String::as_str));
    Err(Mistake::new(message).help(format!("name the namespace too: {names}")))
}
