//! Builds the manifests of services and endpoint slices.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::core::v1::Service as CoreService;
use serde_json::{Value, json};
use verdikt_probes::addresses::{Addresses, ExposedPorts};
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{
    Port, Protocol, Service, ServicePort, ServiceType, TargetPort, Topology, TrafficPolicy,
};

use crate::mark::RunId;

/// A protocol as Kubernetes writes it.
pub(crate) fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}

/// Reads the protocol of a service port, TCP by default; none if it is unknown.
pub(crate) fn protocol_of(written: Option<&str>) -> Option<Protocol> {
    match written {
        None | Some("TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some("SCTP") => Some(Protocol::Sctp),
        Some(_) => None,
    }
}

/// Reads the type of a service, `ClusterIP` by default.
pub(crate) fn type_of(written: Option<&str>) -> ServiceType {
    match written {
        Some("NodePort") => ServiceType::NodePort,
        Some("LoadBalancer") => ServiceType::LoadBalancer,
        _ => ServiceType::ClusterIp,
    }
}

/// The name of a service port: services with several ports must name them.
/// <https://kubernetes.io/docs/concepts/services-networking/service/#multi-port-services>
fn port_name(port: &ServicePort) -> String {
    format!("{}-{}", port.protocol, port.port)
}

/// A service of the topology.
pub fn manifest(name: &NamespacedName, service: &Service, run: &RunId) -> Value {
    let mut labels = service.labels.clone();
    labels.extend(run.marks());
    let ports: Vec<Value> = service
        .ports
        .iter()
        .map(|port| {
            let target = match &port.target {
                TargetPort::Number(number) => json!(number.get()),
                TargetPort::Name(name) => json!(name.as_str()),
            };
            json!({
                "name": port_name(port), "port": port.port.get(), "protocol": protocol(port.protocol), "targetPort": target,
            })
        })
        .collect();
    let mut spec = json!({"type": service.service_type.to_string()});
    if !ports.is_empty() {
        spec["ports"] = json!(ports);
    }
    if service.is_open_outside() {
        spec["externalTrafficPolicy"] = json!(service.external_traffic_policy.to_string());
    }
    if service.internal_traffic_policy != TrafficPolicy::Cluster {
        spec["internalTrafficPolicy"] = json!(service.internal_traffic_policy.to_string());
    }
    if service.headless {
        spec["clusterIP"] = json!("None");
    }
    if let Some(alias) = &service.external_name {
        (spec["type"], spec["externalName"]) = (json!("ExternalName"), json!(alias.as_str()));
    }
    if !service.external_ips.is_empty() {
        spec["externalIPs"] = json!(service.external_ips);
    }
    if !service.source_ranges.is_empty() {
        spec["loadBalancerSourceRanges"] =
            json!(service.source_ranges.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
    if let Some(selects) = &service.selects {
        spec["selector"] = json!(selects);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": name.namespace.as_str(), "name": name.name.as_str(), "labels": labels},
        "spec": spec,
    })
}

/// The addresses and ports at which hosts outside reach a service: those of its load balancer, or else its node ports on
/// these nodes. None while the load balancer has assigned no address.
pub(crate) fn exposed_ports(service: &CoreService, nodes: &[IpAddr]) -> Option<ExposedPorts> {
    let spec = service.spec.as_ref()?;
    let is_balanced = type_of(spec.type_.as_deref()) == ServiceType::LoadBalancer;
    let ingress = || service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref();
    let balanced: Vec<IpAddr> =
        ingress().into_iter().flatten().filter_map(|given| given.ip.as_ref()?.parse().ok()).collect();
    if is_balanced && balanced.is_empty() {
        return None;
    }
    let number = |port: i32| u16::try_from(port).ok().and_then(Port::new);
    let ports = spec.ports.iter().flatten();
    let exposed_ports = ports.filter_map(|port| {
        let offered = (protocol_of(port.protocol.as_deref())?, number(port.port)?);
        let (addresses, exposed_port) =
            if is_balanced { (balanced.as_slice(), offered.1) } else { (nodes, number(port.node_port?)?) };
        Some((
            offered,
            addresses.iter().map(|address| SocketAddr::new(*address, exposed_port.get())).collect(),
        ))
    });
    Some(exposed_ports.collect())
}

/// The headless services of a topology, with the addresses of their endpoints, to which their names resolve.
/// <https://kubernetes.io/docs/concepts/services-networking/service/#headless-services>
pub(crate) fn headless(topology: &Topology, addresses: &Addresses) -> BTreeMap<NamespacedName, Vec<IpAddr>> {
    let services = topology.services.keys().filter(|name| topology.is_headless(name));
    let behind = |name: &NamespacedName| {
        let backends = topology.backends(name);
        backends.iter().filter_map(|backend| addresses.endpoints.get(backend)).flatten().copied().collect()
    };
    services.map(|name| (name.clone(), behind(name))).collect()
}

/// The endpoint slices of a service without a selector: addresses of hosts outside and of nodes, one slice per family.
/// <https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors>
pub fn slices(name: &NamespacedName, service: &Service, hosts: &[IpAddr], run: &RunId) -> Vec<Value> {
    let families = [("IPv4", true), ("IPv6", false)];
    let slice = |(family, is_v4): (&str, bool)| {
        let addresses: Vec<&IpAddr> = hosts.iter().filter(|host| host.is_ipv4() == is_v4).collect();
        let ports = service.ports.iter().filter_map(|port| match &port.target {
            TargetPort::Number(number) => Some(
                json!({"name": port_name(port), "port": number.get(), "protocol": protocol(port.protocol)}),
            ),
            TargetPort::Name(_) => None,
        });
        let mut labels = run.marks();
        labels.insert("kubernetes.io/service-name".to_owned(), name.name.to_string());
        labels.insert("endpointslice.kubernetes.io/managed-by".to_owned(), "verdikt".to_owned());
        (!addresses.is_empty()).then(|| {
            json!({
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "namespace": name.namespace.as_str(),
                    "name": format!("{}-{}", name.name, family.to_lowercase()),
                    "labels": labels,
                },
                "addressType": family,
                "endpoints": [{"addresses": addresses, "conditions": {"ready": true}}],
                "ports": ports.collect::<Vec<_>>(),
            })
        })
    };
    families.into_iter().filter_map(slice).collect()
}
