//! Lists the pods that verdikt did not create, which a clusterwide policy may select.

#[cfg(test)]
mod tests;

use serde_json::Value;
use verdikt_scenario::topology::{Pod, Topology};

use crate::borrow::is_foreign;
use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::objects::{self, NAMESPACE, POD, labels_of, metadata, namespaced_name};

/// Reads the pods that are endpoints of Cilium, with the labels of their namespaces, as a topology.
pub async fn others(connection: &ApiConnection) -> Result<Topology, ApiError> {
    let mut others = Topology::default();
    for namespace in objects::select(connection, NAMESPACE, None, None, |_| true).await? {
        let name = metadata(&namespace, "name").and_then(|name| name.parse().ok());
        others.namespaces.extend(name.map(|name| (name, labels_of(&namespace))));
    }
    let is_endpoint = |pod: &Value| is_foreign(pod) && has_endpoint(pod);
    for pod in objects::select(connection, POD, None, None, is_endpoint).await? {
        let service_account = pod.pointer("/spec/serviceAccountName").and_then(Value::as_str);
        let service_account = service_account.map(str::to_owned);
        let described = Pod { labels: labels_of(&pod), service_account, ..Pod::default() };
        others.pods.extend(namespaced_name(&pod).map(|name| (name, described)));
    }
    Ok(others)
}

/// Whether a pod is an endpoint of Cilium: it has its own network, and has not ended.
fn has_endpoint(pod: &Value) -> bool {
    let in_host_network = pod.pointer("/spec/hostNetwork").and_then(Value::as_bool).unwrap_or_default();
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    !in_host_network && !matches!(phase, Some("Succeeded" | "Failed"))
}
