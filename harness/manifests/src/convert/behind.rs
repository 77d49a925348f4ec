//! The backends of services: compares the ports of services with those that pods declare.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::name::{NamespaceName, NamespacedName};
use verdikt_scenario::objects::ManifestTopology;
use verdikt_scenario::place::Place;
use verdikt_scenario::topology::{
    Labels, Port, Protocol, Served, ServedProtocol, ServicePort, TargetPort, Topology, has_labels,
};

use super::PortPlace;
use crate::ports;

/// The pods of each namespace, by label.
type Index = BTreeMap<(NamespaceName, String, String), Vec<NamespacedName>>;

/// Lets pods that declare no port serve the ports of their services, and warns of services without backends.
pub(super) fn hold_ports_against_pods(
    objects: &mut ManifestTopology,
    ports: &[PortPlace],
    selectors: &BTreeMap<NamespacedName, Place>,
) {
    let index = index(&objects.topology);
    let silent: BTreeSet<NamespacedName> = objects
        .topology
        .pods
        .iter()
        .filter(|(_, pod)| pod.serves.is_empty())
        .map(|(name, _)| name.clone())
        .collect();
    let mut warnings = Vec::new();
    for (service, place) in selectors {
        if backends(&objects.topology, &index, service).is_empty() {
            let message = format!("service {service} selects no workload");
            let warning = Diagnostic::warning(place.clone(), "service-without-pods", message);
            warnings.push(warning.help(labels_of(&objects.topology, &service.namespace)));
        }
    }
    for PortPlace { service, index: number, place } in ports {
        let Some(port) =
            objects.topology.services.get(service).and_then(|service| service.ports.get(*number)).cloned()
        else {
            continue;
        };
        let behind = backends(&objects.topology, &index, service);
        let mut answers = behind.is_empty();
        for name in &behind {
            let Some(pod) = objects.topology.pods.get_mut(name) else { continue };
            if let (TargetPort::Number(target), true) = (&port.target, silent.contains(name)) {
                ports::add(&mut pod.serves, implied(*target, port.protocol));
            }
            answers |= serves(&pod.serves, &port);
        }
        if !answers {
            warnings.push(undeclared(&objects.topology, service, &port, &behind, place));
        }
    }
    objects.diagnostics.extend(warnings);
}

fn index(topology: &Topology) -> Index {
    let mut index = Index::new();
    for (name, pod) in &topology.pods {
        for (key, value) in &pod.labels {
            index.entry((name.namespace.clone(), key.clone(), value.clone())).or_default().push(name.clone());
        }
    }
    index
}

/// The pods of a service, found by the rarest label of its selector.
fn backends(topology: &Topology, index: &Index, service: &NamespacedName) -> Vec<NamespacedName> {
    let selects = topology.services.get(service).and_then(|service| service.selects.as_ref());
    let Some(selects) = selects else { return Vec::new() };
    let with = |(key, value): (&String, &String)| {
        index.get(&(service.namespace.clone(), key.clone(), value.clone())).map_or(&[][..], Vec::as_slice)
    };
    let fewest = selects.iter().map(with).min_by_key(|pods| pods.len()).unwrap_or_default();
    let is_behind =
        |name: &&NamespacedName| topology.pods.get(*name).is_some_and(|pod| has_labels(&pod.labels, selects));
    fewest.iter().filter(is_behind).cloned().collect()
}

fn implied(port: Port, protocol: Protocol) -> Served {
    let protocol = match protocol {
        Protocol::Tcp => ServedProtocol::Tcp,
        Protocol::Udp => ServedProtocol::Udp,
        Protocol::Sctp => ServedProtocol::Sctp,
    };
    Served { protocol, port, name: None }
}

fn serves(serves: &[Served], offered: &ServicePort) -> bool {
    serves.iter().any(|served| {
        served.protocol.answers(offered.protocol)
            && match &offered.target {
                TargetPort::Number(number) => served.port == *number,
                TargetPort::Name(name) => served.name.as_ref() == Some(name),
            }
    })
}

fn undeclared(
    topology: &Topology,
    service: &NamespacedName,
    port: &ServicePort,
    behind: &[NamespacedName],
    place: &Place,
) -> Diagnostic {
    let target = match &port.target {
        TargetPort::Number(number) => number.to_string(),
        TargetPort::Name(name) => format!("`{name}`"),
    };
    let message = format!("no container behind service {service} declares {} port {target}", port.protocol);
    let declared = behind.iter().filter_map(|name| topology.pods.get(name)).flat_map(|pod| &pod.serves);
    let declared: BTreeSet<String> = declared
        .map(|served| match &served.name {
            Some(name) => format!("{} as `{name}`", served.port),
            None => served.port.to_string(),
        })
        .collect();
    let help = if declared.is_empty() {
        "they declare no port: declare it under `ports` of the container".to_owned()
    } else {
        format!("they declare {}", some_of(declared))
    };
    Diagnostic::warning(place.clone(), "undeclared-port", message).help(help)
}

fn labels_of(topology: &Topology, namespace: &NamespaceName) -> String {
    let pods = topology.pods_of(namespace);
    let labels =
        |labels: &Labels| labels.iter().map(|(key, value)| format!("`{key}: {value}`")).collect::<Vec<_>>();
    // A suggestion needs only a few.
    let labels: BTreeSet<String> = pods.take(50).flat_map(|(_, pod)| labels(&pod.labels)).collect();
    if labels.is_empty() {
        return format!("no workload in namespace {namespace} has labels");
    }
    format!("the labels of workloads in namespace {namespace} are {}", some_of(labels))
}

/// Words in a list; of many, the first twelve.
fn some_of(words: BTreeSet<String>) -> String {
    const MOST: usize = 12;
    let more = words.len().saturating_sub(MOST);
    let mut words: Vec<String> = words.into_iter().take(MOST).collect();
    if more > 0 {
        words.push(format!("{more} more"));
    }
    words.join(", ")
}
