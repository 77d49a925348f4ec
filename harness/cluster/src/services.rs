//! Services as verdikt makes them.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use serde_json::{Value, json};
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{Protocol, Service, ServicePort, TargetPort};

use crate::mark::RunId;

/// A protocol as Kubernetes writes it.
pub(crate) fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}

/// Services with several ports must name them.
/// <https://kubernetes.io/docs/concepts/services-networking/service/#multi-port-services>
fn port_name(port: &ServicePort) -> String {
    format!("{}-{}", port.protocol, port.port)
}

/// A service of the topology.
pub fn manifest(name: &NamespacedName, service: &Service, run: &RunId) -> Value {
    let mut labels = service.labels.clone();
    labels.extend(run.labels());
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
    let mut spec = json!({"type": "ClusterIP", "ports": ports});
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

/// The endpoints of a service without a selector: the addresses of hosts outside, one family in each slice.
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
        let mut labels = run.labels();
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
