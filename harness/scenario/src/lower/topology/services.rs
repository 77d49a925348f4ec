//! Services: their backends, and whether these serve the service's ports.

use std::collections::BTreeSet;

use super::service_reach;
use super::{TopologyDraft, TopologyPart, WinningKey, known_backend, known_namespace, winners};
use crate::file::{ServiceFile, ServiceTypeWord};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::served::{labels, service_port, target_port};
use crate::lower::suggest::listed;
use crate::name::{HostName, NamespacedName};
use crate::topology::{
    Endpoint, Labels, Port, Protocol, Service, ServicePort, ServiceType, TargetPort, Topology,
};

/// Adds a service.
pub(crate) fn lower(
    name: &str,
    winner: &WinningKey<'_, ServiceFile>,
    draft: &mut TopologyDraft,
    mistakes: &mut Mistakes,
) {
    let WinningKey { file, position, value } = winner;
    let own = labels(&value.labels, file, mistakes);
    let selects = value.selects.as_ref().map(|selects| labels(selects, file, mistakes));
    let mut backends = BTreeSet::new();
    for backend in &value.backends {
        match known_backend(&backend.value, draft) {
            Ok(host) => drop(backends.insert(host)),
            Err(_) if draft.broken.contains(&backend.value) => {}
            Err(mistake) => mistakes.add(file, backend.position, mistake),
        }
    }
    if value.external_name.is_none()
        && let Some(mistake) = behind_mistake(name, value, selects.as_ref(), &backends, draft)
    {
        mistakes.add(file, *position, mistake);
    }
    let (ports, understood) = ports(name, winner, mistakes);
    if !understood {
        draft.broken.insert(name.to_owned());
    }
    let reach = service_reach::lower(name, winner, draft, mistakes);
    match name.parse::<NamespacedName>() {
        Ok(name) => {
            mistakes.keep(file, *position, known_namespace(&name.namespace, draft));
            let service_type = ServiceType::from(value.service_type);
            let service = Service { service_type, labels: own, selects, backends, ports, ..reach };
            draft.topology.services.insert(name, service);
        }
        Err(error) => {
            mistakes.add(file, *position, error.into());
            draft.broken.insert(name.to_owned());
        }
    }
}

/// The mistake about the backends of a service, if any.
fn behind_mistake(
    name: &str,
    value: &ServiceFile,
    selects: Option<&Labels>,
    backends: &BTreeSet<HostName>,
    draft: &TopologyDraft,
) -> Option<Mistake> {
    let all_outside = backends.iter().all(|backend| draft.topology.world.contains_key(backend));
    let (message, help) = match (selects, value.backends.is_empty()) {
        (Some(selects), true) if selects.is_empty() => {
            (format!("service `{name}` has an empty selector"), "give it the labels of its pods")
        }
        (Some(_), false) => {
            (format!("service `{name}` has a selector and backends"), "keep `selects` or `backends`")
        }
        (None, false) if all_outside && !matches!(value.service_type, ServiceTypeWord::ClusterIp) => (
            format!("service `{name}` connects hosts outside the cluster with hosts outside the cluster"),
            "leave out its `type`, and attempt the hosts themselves from outside",
        ),
        (Some(_), true) | (None, false) => return None,
        (None, true) => (format!("service `{name}` has no backends"), "give it `selects` or `backends`"),
    };
    Some(Mistake::new(message).help(help.to_owned()))
}

/// The ports of a service; the flag tells whether all of them were understood.
fn ports(
    name: &str,
    winner: &WinningKey<'_, ServiceFile>,
    mistakes: &mut Mistakes,
) -> (Vec<ServicePort>, bool) {
    let WinningKey { file, position, value } = winner;
    // An alias of an outside name, and addresses of others, have ports of their own.
    let may_have_none = value.external_name.is_some() || value.headless.as_ref().is_some_and(|it| it.value);
    let mut ports: Vec<ServicePort> = Vec::new();
    let mut understood = !value.ports.0.is_empty() || may_have_none;
    for (key, target) in &value.ports {
        let offered = mistakes.keep(file, key.position, service_port(&key.value));
        let target = mistakes.keep(file, target.position, target_port(&target.value));
        let (Some((port, protocol)), Some(target)) = (offered, target) else {
            understood = false;
            continue;
        };
        if ports.iter().any(|other| other.port == port && other.protocol == protocol) {
            let mistake = Mistake::new(format!("port {port}/{protocol} is offered twice"));
            mistakes.add(file, key.position, mistake);
        }
        let is_headless = value.headless.as_ref().is_some_and(|it| it.value);
        if is_headless && target != TargetPort::Number(port) {
            let mistake =
                Mistake::new(format!("service `{name}` is headless, so its ports are not translated"));
            mistakes.add(
                file,
                key.position,
                mistake.help("name the port of the pods on both sides".to_owned()),
            );
        }
        ports.push(ServicePort { port, protocol, target });
    }
    if value.ports.0.is_empty() && !may_have_none {
        let mistake = Mistake::new(format!("service `{name}` offers no port"));
        mistakes.add(file, *position, mistake.help("give it `ports: {80: 8080}`".to_owned()));
    }
    (ports, understood)
}

/// Services that have no backend in any step.
pub(crate) fn check(
    parts: &[TopologyPart],
    steps: &[&Topology],
    broken: &BTreeSet<String>,
    mistakes: &mut Mistakes,
) {
    for (text, WinningKey { file, position, value }) in winners(parts, |part| &part.services) {
        let Ok(name) = text.parse::<NamespacedName>() else { continue };
        let is_known = steps.iter().any(|topology| topology.namespaces.contains_key(&name.namespace));
        let siblings = format!("{}/", name.namespace);
        let behind_is_unclear = broken.iter().any(|other| other.starts_with(&siblings) || other == text);
        if behind_is_unclear || !is_known || (value.selects.is_some() != value.backends.is_empty()) {
            continue;
        }
        if !steps.iter().any(|topology| !topology.backends(&name).is_empty()) {
            if value.selects.as_ref().is_some_and(|selects| !selects.0.is_empty()) {
                let message = format!("the selector of service `{name}` matches no pod");
                let help = labels_of_namespace(steps, &name);
                mistakes.add(file, position, Mistake::new(message).help(help));
            }
            continue;
        }
        for (key, target) in &value.ports {
            let (Ok((_, protocol)), Ok(port)) = (service_port(&key.value), target_port(&target.value)) else {
                continue;
            };
            let behind = steps.iter().flat_map(|topology| {
                topology.backends(&name).into_iter().map(move |endpoint| (*topology, endpoint))
            });
            let mut offers = BTreeSet::new();
            let mut answered = false;
            for (topology, endpoint) in behind {
                answered |= broken.contains(&endpoint.to_string())
                    || target_served(topology, &endpoint, protocol, &port).is_some();
                offers.extend(topology.serves(&endpoint).iter().map(ToString::to_string));
            }
            if !answered {
                let target = match &port {
                    TargetPort::Number(number) => number.to_string(),
                    TargetPort::Name(name) => format!("`{name}`"),
                };
                let message = format!("no backend of service `{name}` serves {protocol} port {target}");
                let help = format!("its backends serve {}", listed(offers.iter().map(String::as_str)));
                mistakes.add(file, key.position, Mistake::new(message).help(help));
            }
        }
    }
}

fn labels_of_namespace(steps: &[&Topology], service: &NamespacedName) -> String {
    let pods = steps.iter().flat_map(|topology| &topology.pods);
    let pods = pods.filter(|(pod, _)| pod.namespace == service.namespace);
    let labels: BTreeSet<String> =
        pods.flat_map(|(_, pod)| pod.labels.iter().map(|(key, value)| format!("{key}: {value}"))).collect();
    if labels.is_empty() {
        return format!("namespace `{}` has no pod with labels", service.namespace);
    }
    let labels = listed(labels.iter().map(String::as_str));
    format!("the labels of pods in namespace `{}` are {labels}", service.namespace)
}

/// The port on which an endpoint serves a service, if it does.
pub(crate) fn target_served(
    topology: &Topology,
    endpoint: &Endpoint,
    protocol: Protocol,
    target: &TargetPort,
) -> Option<Port> {
    let serves = topology.serves(endpoint).iter().filter(|served| served.protocol.answers(protocol));
    let mut matching = serves.filter(|served| match target {
        TargetPort::Number(number) => served.port == *number,
        TargetPort::Name(name) => served.name.as_ref() == Some(name),
    });
    matching.next().map(|served| served.port)
}
