//! Builds the manifests of local redirect policies, and finds them in an agent's list of services.
//!
//! <https://docs.cilium.io/en/stable/network/kubernetes/local-redirect-policy/>

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use verdikt_probes::addresses::Addresses;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{
    Endpoint, LocalRedirect, Protocol, RedirectFrontend, ServicePort, Topology,
};

use crate::mark::RunId;
use crate::services;

/// What clients ask: an address and port, and what answers in its place.
pub(crate) type RedirectedSockets = BTreeMap<(Protocol, SocketAddr), BTreeSet<SocketAddr>>;

/// The objects of a local redirect policy, by name: one for each port. In an object for several ports Cilium pairs them by
/// their names, which pods would need too. Several for one service would take each other's redirects away.
pub(crate) fn manifests(
    name: &NamespacedName,
    redirect: &LocalRedirect,
    topology: &Topology,
    run: &RunId,
) -> Vec<(String, Value)> {
    let is_only = redirect.ports.len() == 1;
    let manifest = |led: &ServicePort| {
        let own = if is_only {
            name.name.to_string()
        } else {
            format!("{}-{}-{}", name.name, led.protocol, led.port)
        };
        let (_, answering) = topology.redirect_backends(name, redirect, led).into_iter().next()?;
        let protocol = services::protocol(led.protocol);
        let port = |number: u16| json!([{"port": number.to_string(), "protocol": protocol}]);
        let frontend = match &redirect.frontend {
            RedirectFrontend::Service(service) => json!({"serviceMatcher": {
                "namespace": service.namespace.as_str(),
                "serviceName": service.name.as_str(),
                "toPorts": port(led.port.get()),
            }}),
            RedirectFrontend::Address(address) => {
                json!({"addressMatcher": {"ip": address, "toPorts": port(led.port.get())}})
            }
        };
        let manifest = json!({
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumLocalRedirectPolicy",
            "metadata": {"namespace": name.namespace.as_str(), "name": own, "labels": run.marks()},
            "spec": {
                "redirectFrontend": frontend,
                "redirectBackend": {
                    "localEndpointSelector": {"matchLabels": redirect.selects},
                    "toPorts": port(answering.get()),
                },
                "skipRedirectFromBackend": redirect.spares_backends,
            },
        });
        Some((own, manifest))
    };
    redirect.ports.iter().filter_map(manifest).collect()
}

/// Gives the ports of a service, where a local redirect policy leads them elsewhere, the names of the pods' ports that answer:
/// between two names that differ Cilium leads to nobody.
/// <https://github.com/cilium/cilium/blob/v1.19.0/pkg/loadbalancer/redirectpolicy/controller.go> (`updateRedirectBackends`)
pub(crate) fn name_ports(name: &NamespacedName, topology: &Topology, service: &mut Value) {
    let is_its = |redirect: &LocalRedirect| redirect.frontend == RedirectFrontend::Service(name.clone());
    for (policy, redirect) in topology.redirects.iter().filter(|(_, redirect)| is_its(redirect)) {
        for led in &redirect.ports {
            let answering = topology.redirect_backends(policy, redirect, led).into_iter();
            let named = answering.filter_map(|(pod, port)| {
                let Endpoint::Pod(pod) = pod else { return None };
                let mut served = topology.pods.get(&pod)?.serves.iter();
                served.find(|served| served.port == port)?.name.clone()
            });
            let Some(own) = named.into_iter().next() else { continue };
            let is_led = |port: &&mut Value| {
                port["port"] == led.port.get() && port["protocol"] == services::protocol(led.protocol)
            };
            let ports = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
            if let Some(port) = ports.and_then(|ports| ports.iter_mut().find(is_led)) {
                port["name"] = json!(own.to_string());
            }
        }
    }
}

/// Each socket that a local redirect policy leads elsewhere, with those that answer. Where nobody answers, nothing is led.
pub(crate) fn sockets(topology: &Topology, addresses: &Addresses) -> RedirectedSockets {
    let mut sockets = RedirectedSockets::new();
    for (name, redirect) in &topology.redirects {
        let fronts: Vec<IpAddr> = match &redirect.frontend {
            RedirectFrontend::Address(address) => vec![*address],
            RedirectFrontend::Service(service) => {
                addresses.services.get(service).cloned().unwrap_or_default()
            }
        };
        for led in &redirect.ports {
            for (pod, port) in topology.redirect_backends(name, redirect, led) {
                let own: &[IpAddr] = addresses.endpoints.get(&pod).map_or(&[], Vec::as_slice);
                for (front, own) in fronts.iter().flat_map(|front| own.iter().map(move |own| (front, own))) {
                    if front.is_ipv4() == own.is_ipv4() {
                        let front = (led.protocol, SocketAddr::new(*front, led.port.get()));
                        sockets.entry(front).or_default().insert(SocketAddr::new(*own, port.get()));
                    }
                }
            }
        }
    }
    sockets
}

/// What an agent's list of services lacks to have exactly these redirected sockets among those of some addresses; none if
/// nothing.
pub(crate) fn missing(said: &str, wanted: &RedirectedSockets, ours: &BTreeSet<IpAddr>) -> Option<String> {
    let Ok(Value::Array(listed)) = serde_json::from_str::<Value>(said) else {
        return Some("cannot read the agent's services".to_owned());
    };
    let found: RedirectedSockets = listed.iter().filter_map(redirected).collect();
    let lacking = wanted.iter().find(|(front, answering)| found.get(*front) != Some(*answering));
    if let Some(((protocol, front), _)) = lacking {
        return Some(format!("the agent does not redirect {protocol} {front} to all who answer"));
    }
    let mut others = found.keys().filter(|front| ours.contains(&front.1.ip()) && !wanted.contains_key(front));
    others.next().map(|(protocol, front)| format!("the agent still redirects {protocol} {front}"))
}

/// A service of the agent's list, if it stands for a local redirect policy.
fn redirected(service: &Value) -> Option<((Protocol, SocketAddr), BTreeSet<SocketAddr>)> {
    let realized = service.pointer("/status/realized")?;
    if realized.pointer("/flags/type")?.as_str()? != "LocalRedirect" {
        return None;
    }
    let front = &realized["frontend-address"];
    let protocol = services::protocol_of(front["protocol"].as_str())?;
    let backends = realized["backend-addresses"].as_array().into_iter().flatten();
    Some(((protocol, socket(front)?), backends.filter_map(socket).collect()))
}

fn socket(written: &Value) -> Option<SocketAddr> {
    let port = u16::try_from(written["port"].as_u64()?).ok()?;
    Some(SocketAddr::new(written["ip"].as_str()?.parse().ok()?, port))
}
