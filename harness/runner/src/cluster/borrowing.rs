//! Checks that a topology describes borrowed pods and services as they are, and that a scenario does not change them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use verdikt_cluster::borrow::{Borrowed, BorrowedPod, BorrowedService};
use verdikt_engine::behaviour::Behaviour;
use verdikt_engine::label::is_identity_relevant;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::topology::{Endpoint, Labels, Pod, Service, ServiceType, Topology};
use verdikt_scenario::version::CiliumVersion;

use crate::backend::BackendError;

/// Why a scenario cannot use these pods, as text: it would change them; none if it can. `audit` says whether the cluster
/// is in audit mode.
pub(super) fn unfit(borrowed: &Borrowed, audit: bool, scenario: &Scenario) -> Option<String> {
    let mut before: Option<&Topology> = None;
    for step in &scenario.steps {
        let topology = &step.topology;
        let is_audited = |pod: &NamespacedName| {
            step.enforcement.audit || topology.audited.contains(&Endpoint::Pod(pod.clone()))
        };
        let mut pods = topology.pods.keys().filter(|pod| borrowed.pods.contains_key(*pod));
        if let Some(pod) = pods.find(|pod| is_audited(pod) != audit) {
            return Some(format!(
                "its step \"{}\" changes the audit mode, and pod {pod} is not verdikt's",
                step.name
            ));
        }
        if let Some(change) = before.and_then(|before| change(borrowed, before, topology)) {
            return Some(format!("its step \"{}\" {change}, which is not verdikt's", step.name));
        }
        before = Some(topology);
    }
    None
}

/// The change to a borrowed object between two steps; none if there is none.
fn change(borrowed: &Borrowed, before: &Topology, after: &Topology) -> Option<String> {
    let pods = before.pods.iter().filter(|(name, _)| borrowed.pods.contains_key(*name));
    let pod = |(name, pod): (&NamespacedName, &Pod)| match after.pods.get(name) {
        None => Some(format!("removes pod {name}")),
        Some(after) if after.labels != pod.labels => Some(format!("changes the labels of pod {name}")),
        Some(after) if after.service_account != pod.service_account => {
            Some(format!("changes the service account of pod {name}"))
        }
        Some(_) => None,
    };
    let services = before.services.iter().filter(|(name, _)| borrowed.services.contains_key(*name));
    let service = |(name, service): (&NamespacedName, &Service)| match after.services.get(name) {
        None => Some(format!("removes service {name}")),
        Some(after) if after != service => Some(format!("changes service {name}")),
        Some(_) => None,
    };
    let namespaces = before.namespaces.iter().filter(|(name, _)| borrowed.namespaces.contains_key(*name));
    let changed = |(name, labels): (_, &Labels)| {
        let differ = after.namespaces.get(name).is_some_and(|after| after != labels);
        differ.then(|| format!("changes the labels of namespace {name}"))
    };
    pods.into_iter()
        .find_map(pod)
        .or_else(|| services.into_iter().find_map(service))
        .or_else(|| namespaces.into_iter().find_map(changed))
}

/// Refuses a topology that describes borrowed objects otherwise than they are, for this version of Cilium.
pub(super) fn check(
    borrowed: &Borrowed,
    topology: &Topology,
    version: CiliumVersion,
) -> Result<(), BackendError> {
    match unlike(borrowed, topology, version) {
        None => Ok(()),
        Some(difference) => Err(BackendError::new(TopologyMismatch(difference))),
    }
}

/// A topology that differs from the cluster.
#[derive(Debug, thiserror::Error)]
#[error("{0}; the topology has to describe what a run borrows as it is")]
struct TopologyMismatch(String);

fn unlike(borrowed: &Borrowed, topology: &Topology, version: CiliumVersion) -> Option<String> {
    let namespaces = topology.namespaces.iter().filter_map(|(name, wanted)| {
        let labels = borrowed.namespaces.get(name)?;
        missing(wanted, labels).map(|label| format!("namespace {name} has no label {label}"))
    });
    let pods = topology.pods.iter().filter_map(|(name, pod)| {
        unlike_pod(pod, borrowed.pods.get(name)?, version).map(|why| format!("pod {name} {why}"))
    });
    let services = topology.services.iter().filter_map(|(name, service)| {
        let why = unlike_service(name, service, borrowed, topology)?;
        Some(format!("service {name} {why}"))
    });
    namespaces.chain(pods).chain(services).next()
}

fn unlike_pod(wanted: &Pod, borrowed_pod: &BorrowedPod, version: CiliumVersion) -> Option<String> {
    if borrowed_pod.in_host_network && wanted.host_network.is_none() {
        return Some("lives in the network of its node, where no policy selects it by its labels".to_owned());
    }
    if !borrowed_pod.in_host_network && wanted.host_network.is_some() {
        return Some("has a network of its own, and is not in that of its node".to_owned());
    }
    if let Some(label) = missing(&wanted.labels, &borrowed_pod.labels) {
        return Some(format!("has no label {label}"));
    }
    let with_topology = Behaviour::of(version).topology_labels_in_identity;
    let identity = borrowed_pod.labels.iter().filter(|(key, _)| is_identity_relevant(key, with_topology));
    let identity: Labels = identity.map(owned).collect();
    if let Some(label) = missing(&identity, &wanted.labels) {
        return Some(format!("also has the label {label}"));
    }
    let account = wanted.service_account.as_deref().unwrap_or("default");
    (account != borrowed_pod.service_account)
        .then(|| format!("has the service account {}, and not {account}", borrowed_pod.service_account))
}

fn unlike_service(
    name: &NamespacedName,
    wanted: &Service,
    borrowed: &Borrowed,
    topology: &Topology,
) -> Option<String> {
    let service: &BorrowedService = borrowed.services.get(name)?;
    if service.addresses.is_empty() {
        return Some("has no address of its own".to_owned());
    }
    if wanted.service_type != ServiceType::ClusterIp && service.service_type != wanted.service_type {
        return Some(format!("is of type {}, and not {}", service.service_type, wanted.service_type));
    }
    if let Some(label) = missing(&wanted.labels, &service.labels) {
        return Some(format!("has no label {label}"));
    }
    if service.selects != wanted.selects {
        let words = |selects: &Option<Labels>| selects.as_ref().map_or("nothing".to_owned(), written);
        return Some(format!("selects {}, and not {}", words(&service.selects), words(&wanted.selects)));
    }
    if let Some(port) = wanted.ports.iter().find(|port| !service.ports.contains(port)) {
        return Some(format!("has no port {}/{} with such a target", port.port, port.protocol));
    }
    let selects = wanted.selects.as_ref()?;
    let mut behind = borrowed.pods.iter().filter(|(pod, borrowed_pod)| {
        pod.namespace == name.namespace && missing(selects, &borrowed_pod.labels).is_none()
    });
    let unknown = behind.find(|(pod, _)| !topology.pods.contains_key(*pod));
    unknown.map(|(pod, _)| format!("also leads to pod {pod}, which the topology does not have"))
}

/// The first of the wanted labels that is missing.
fn missing(wanted: &Labels, present: &Labels) -> Option<String> {
    wanted
        .iter()
        .find(|(key, value)| present.get(*key) != Some(value))
        .map(|(key, value)| format!("{key}={value}"))
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

fn written(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}
