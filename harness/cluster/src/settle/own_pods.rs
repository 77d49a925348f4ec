//! Finds the endpoints of the topology's pods in an agent's list.
//!
//! An agent may still list the endpoint of a deleted pod of the same name. Their addresses tell the two apart.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;
use verdikt_scenario::topology::Endpoint;

use crate::cluster::Cluster;

/// Pods by their names, `namespace/name`, each with its addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnPods(pub(super) BTreeMap<String, Vec<IpAddr>>);

impl OwnPods {
    /// The name of the pod of an endpoint in an agent's list; none if it is not one of these pods.
    pub(super) fn name_of(&self, endpoint: &Value) -> Option<String> {
        name_of(endpoint).filter(|name| self.has(name, endpoint))
    }

    /// Whether an endpoint of this name belongs to the current pod, not to an earlier one.
    pub(super) fn has(&self, name: &str, endpoint: &Value) -> bool {
        let known = self.0.get(name);
        known.is_some_and(|addresses| addresses_of(endpoint).any(|address| addresses.contains(&address)))
    }
}

impl Cluster {
    /// The pods of the topology on a node, or on all nodes.
    pub(super) fn own_pods(&self, node: Option<&str>) -> OwnPods {
        let pods = self.pods().filter(|pod| node.is_none() || self.node_of(pod) == node);
        let addressed = pods.map(|pod| {
            let addresses = self.addresses().endpoints.get(&Endpoint::Pod(pod.clone()));
            (pod.to_string(), addresses.cloned().unwrap_or_default())
        });
        OwnPods(addressed.collect())
    }
}

/// The pod of an endpoint.
pub(super) fn name_of(endpoint: &Value) -> Option<String> {
    let of = endpoint.pointer("/status/external-identifiers")?;
    let named =
        |namespace: &str, pod: &str| Some(format!("{}/{}", of[namespace].as_str()?, of[pod].as_str()?));
    let named = named("k8s-namespace", "k8s-pod-name");
    named.or_else(|| of["pod-name"].as_str().map(str::to_owned)).filter(|name| name != "/")
}

/// The addresses of an endpoint, in a `CiliumEndpoint` or in an agent's list.
fn addresses_of(endpoint: &Value) -> impl Iterator<Item = IpAddr> {
    let pairs = endpoint.pointer("/status/networking/addressing").and_then(Value::as_array);
    let written = pairs.into_iter().flatten().flat_map(|pair| [&pair["ipv4"], &pair["ipv6"]]);
    written.filter_map(|address| address.as_str()?.parse().ok())
}
