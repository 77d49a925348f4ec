//! Which endpoints of an agent are pods of the topology.
//!
//! An agent may still have the endpoint of a pod that had the name before: its name says nothing of which of the two it
//! is, its address does.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;
use verdikt_scenario::topology::Endpoint;

use crate::cluster::Cluster;

/// Pods by their names, `namespace/name`, each with its addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnPods(pub(super) BTreeMap<String, Vec<IpAddr>>);

impl OwnPods {
    /// The name of the pod that an endpoint is, in a list of an agent; none if it is none of them.
    pub(super) fn name_of(&self, endpoint: &Value) -> Option<String> {
        name_of(endpoint).filter(|name| self.has(name, endpoint))
    }

    /// Whether an endpoint of this name is the pod, and not one that had the name before.
    pub(super) fn has(&self, name: &str, endpoint: &Value) -> bool {
        let known = self.0.get(name);
        known.is_some_and(|addresses| addresses_of(endpoint).any(|address| addresses.contains(&address)))
    }
}

impl Cluster {
    /// The pods of the topology that an agent has, or of all nodes.
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

/// The addresses of an endpoint, in a `CiliumEndpoint` and in what an agent says.
fn addresses_of(endpoint: &Value) -> impl Iterator<Item = IpAddr> {
    let pairs = endpoint.pointer("/status/networking/addressing").and_then(Value::as_array);
    let written = pairs.into_iter().flatten().flat_map(|pair| [&pair["ipv4"], &pair["ipv6"]]);
    written.filter_map(|address| address.as_str()?.parse().ok())
}
