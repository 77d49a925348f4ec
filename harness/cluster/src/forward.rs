//! Port-forwards to pods, through the API server.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::pods;

/// A port of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodPort {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The port.
    pub port: u16,
}

/// Finds the port named `port_name` of a ready pod with this label; none if no pod is ready. `otherwise` is the port of
/// pods that do not name their ports.
pub async fn find(
    connection: &ApiConnection,
    namespace: &str,
    label: &str,
    port_name: &str,
    otherwise: u16,
) -> Result<Option<PodPort>, ApiError> {
    let pods: Api<Pod> = Api::namespaced(connection.client().clone(), namespace);
    let what = format!("list the pods labelled {label} in {namespace}");
    let found = connection.ask(&what, pods.list(&ListParams::default().labels(label))).await?.items;
    let ready = found.iter().filter(|pod| pods::is_ready(pod));
    let named = ready.filter_map(|pod| {
        let containers = pod.spec.as_ref().map(|spec| spec.containers.iter()).into_iter().flatten();
        let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
        let port = ports.find(|port| port.name.as_deref() == Some(port_name)).map(|port| port.container_port);
        let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(otherwise);
        Some(PodPort { namespace: namespace.to_owned(), pod: pod.metadata.name.clone()?, port })
    });
    Ok(named.min_by(|one, other| one.pod.cmp(&other.pod)))
}

/// Opens a connection to a port of a pod. It breaks with the pod, and with the connection to the API server.
pub async fn open(
    connection: &ApiConnection,
    to: &PodPort,
) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>, ApiError> {
    let PodPort { namespace, pod, port } = to;
    let pods: Api<Pod> = Api::namespaced(connection.client().clone(), namespace);
    let what = format!("forward to port {port} of pod {namespace}/{pod}");
    let mut forwarder = connection.ask(&what, pods.portforward(pod, &[*port])).await?;
    let nothing =
        || ApiError::Absent { what: what.clone(), reason: "the API server opened no stream".to_owned() };
    forwarder.take_stream(*port).ok_or_else(nothing)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::{list, server, status};

    fn pod(name: &str, ready: &str, ports: &Value) -> Value {
        json!({
            "metadata": {"name": name},
            "spec": {"containers": [{"name": "relay", "ports": ports}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        })
    }

    #[tokio::test]
    async fn the_port_of_a_pod_that_is_ready() {
        let check = async |pods: Value| {
            let (connection, log) = server(move |_| list(&pods));
            let found = find(&connection, "kube-system", "k8s-app=hubble-relay", "grpc", 4245).await.unwrap();
            assert!(log.text().contains("labelSelector=k8s-app%3Dhubble-relay"), "{}", log.text());
            found.map_or("none".to_owned(), |found| format!("{}:{}", found.pod, found.port))
        };
        let ports =
            json!([{"name": "prometheus", "containerPort": 9966}, {"name": "grpc", "containerPort": 5000}]);
        assert_eq!(check(json!([])).await, "none");
        assert_eq!(check(json!([pod("a", "False", &ports)])).await, "none");
        assert_eq!(check(json!([pod("a", "False", &ports), pod("b", "True", &ports)])).await, "b:5000");
        assert_eq!(check(json!([pod("a", "True", &Value::Null)])).await, "a:4245");
    }

    #[tokio::test]
    async fn who_may_not_is_told_so() {
        let reason = "pods \"relay-1\" is forbidden: User \"u\" cannot create resource \"pods/portforward\"";
        let (connection, _) = server(move |_| status(403, "Forbidden", reason));
        let to = PodPort { namespace: "kube-system".to_owned(), pod: "relay-1".to_owned(), port: 4245 };
        let Err(error) = open(&connection, &to).await else { panic!("it is open") };
        insta::assert_snapshot!(error, @r#"cannot forward to port 4245 of pod kube-system/relay-1: pods "relay-1" is forbidden: User "u" cannot create resource "pods/portforward"; grant it, for example with clusters/rbac.yaml"#);
    }
}
