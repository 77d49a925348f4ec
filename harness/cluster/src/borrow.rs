//! What a run borrows: existing namespaces that verdikt did not create, with their pods and services.
//!
//! The only change to them is that a pod gets an ephemeral container with a probe.
//! <https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/>

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Map, Value, json};
use verdikt_scenario::name::{NamespaceName, NamespacedName};
use verdikt_scenario::topology::{Labels, ServicePort, ServiceType, TargetPort};

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::image::ProbeImage;
use crate::mark::{OWNER, OWNER_KEY, RunId};
use crate::objects::{
    self, ApiObject, NAMESPACE, POD, POLICIES, SERVICE, labels_of, mark, metadata, namespaced_name,
};
use crate::pods;
use crate::services::{protocol_of, type_of};

/// How long a probe in a borrowed pod waits for its first order, in seconds. A run that is killed before it connects to
/// the probe leaves no process behind.
const PATIENCE: u32 = 60;

/// The contents of the namespaces that a run borrows, without what verdikt has created there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Borrowed {
    /// The namespaces, with their labels.
    pub namespaces: BTreeMap<NamespaceName, Labels>,
    /// Their pods.
    pub pods: BTreeMap<NamespacedName, BorrowedPod>,
    /// Their services.
    pub services: BTreeMap<NamespacedName, BorrowedService>,
}

/// An existing pod that a run uses as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BorrowedPod {
    /// Its UID, which a later pod of the same name does not have.
    pub uid: String,
    /// Its labels.
    pub labels: Labels,
    /// Its service account.
    pub service_account: String,
    /// The node that runs it; none before it is scheduled.
    pub node: Option<String>,
    /// Whether it uses the network of its node, and so is not an endpoint of Cilium.
    pub in_host_network: bool,
}

/// An existing service that a run uses as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BorrowedService {
    /// Its addresses in the cluster.
    pub addresses: Vec<IpAddr>,
    /// Its type.
    pub service_type: ServiceType,
    /// Its labels.
    pub labels: Labels,
    /// The pods behind it; none for a service without a selector.
    pub selects: Option<Labels>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
}

/// Why a namespace cannot be borrowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BorrowError {
    /// The API server does not do what it is asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It is not there.
    #[error("there is no namespace {0} to borrow")]
    Absent(NamespaceName),
    /// verdikt created it.
    #[error(
        "the namespace {0} is verdikt's own: it needs no borrowing; `verdikt clean` removes what runs left"
    )]
    Ours(NamespaceName),
}

/// Reads the namespaces that a run borrows.
pub async fn look(
    connection: &ApiConnection,
    namespaces: &BTreeSet<NamespaceName>,
) -> Result<Borrowed, BorrowError> {
    let mut borrowed = Borrowed::default();
    for name in namespaces {
        let found = objects::get(connection, &ApiObject::new(NAMESPACE, None, name.as_str())).await?;
        let found = found.ok_or_else(|| BorrowError::Absent(name.clone()))?;
        if mark(&found, OWNER_KEY) == Some(OWNER) {
            return Err(BorrowError::Ours(name.clone()));
        }
        borrowed.namespaces.insert(name.clone(), labels_of(&found));
        for pod in objects::select(connection, POD, Some(name.as_str()), None, is_foreign).await? {
            borrowed.pods.extend(namespaced_name(&pod).zip(borrowed_pod(&pod)));
        }
        for service in objects::select(connection, SERVICE, Some(name.as_str()), None, is_foreign).await? {
            borrowed
                .services
                .extend(namespaced_name(&service).map(|name| (name, borrowed_service(&service))));
        }
    }
    Ok(borrowed)
}

/// The policies that verdikt did not create and that may be in force in these namespaces, clusterwide ones included.
pub async fn policies(
    connection: &ApiConnection,
    namespaces: &BTreeSet<NamespaceName>,
) -> Result<BTreeSet<ApiObject>, ApiError> {
    let mut found = BTreeSet::new();
    for kind in POLICIES.iter().copied().filter(|kind| kind.kind != "CiliumCIDRGroup") {
        let places: Vec<Option<&str>> = if kind.namespaced {
            namespaces.iter().map(|name| Some(name.as_str())).collect()
        } else {
            vec![None]
        };
        for place in places {
            for policy in objects::select(connection, kind, place, None, is_foreign).await? {
                let name = metadata(&policy, "name").unwrap_or_default();
                found.insert(ApiObject::new(kind, metadata(&policy, "namespace"), name));
            }
        }
    }
    Ok(found)
}

/// Whether an object was not created by verdikt.
pub(crate) fn is_foreign(object: &Value) -> bool {
    mark(object, OWNER_KEY) != Some(OWNER)
}

fn borrowed_pod(pod: &Value) -> Option<BorrowedPod> {
    let spec = pod.get("spec")?;
    let text = |field: &str| spec.get(field).and_then(Value::as_str).map(str::to_owned);
    Some(BorrowedPod {
        uid: metadata(pod, "uid")?.to_owned(),
        labels: labels_of(pod),
        service_account: text("serviceAccountName").unwrap_or_else(|| "default".to_owned()),
        node: text("nodeName"),
        in_host_network: spec.get("hostNetwork").and_then(Value::as_bool).unwrap_or_default(),
    })
}

fn borrowed_service(service: &Value) -> BorrowedService {
    let spec = &service["spec"];
    let addresses = spec["clusterIPs"].as_array().into_iter().flatten();
    let selector = spec["selector"].as_object().filter(|selector| !selector.is_empty());
    let selects = selector.map(|selector| {
        selector.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    });
    BorrowedService {
        addresses: addresses.filter_map(|address| address.as_str()?.parse().ok()).collect(),
        service_type: type_of(spec["type"].as_str()),
        labels: labels_of(service),
        selects,
        ports: spec["ports"].as_array().into_iter().flatten().filter_map(service_port).collect(),
    }
}

fn service_port(port: &Value) -> Option<ServicePort> {
    let number = |value: &Value| u16::try_from(value.as_u64()?).ok()?.try_into().ok();
    let protocol = protocol_of(port["protocol"].as_str())?;
    let target = match &port["targetPort"] {
        Value::String(name) => TargetPort::Name(name.parse().ok()?),
        Value::Null => TargetPort::Number(number(&port["port"])?),
        other => TargetPort::Number(number(other)?),
    };
    Some(ServicePort { port: number(&port["port"])?, protocol, target })
}

/// The name of the next probe's container in a pod. It must be new: ephemeral containers are never removed from a pod.
pub(crate) fn next_name(pod: &Value, run: &RunId) -> String {
    let present = pod.pointer("/spec/ephemeralContainers").and_then(Value::as_array).map_or(0, Vec::len);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let run: String = run.as_str().chars().map(plain).take(40).collect();
    format!("verdikt-{run}-{present}")
}

/// The patch that adds a probe to a borrowed pod. The UID keeps it from a later pod of the same name.
///
/// The probe starts at once and ends with the first session to it: `stdinOnce` closes its input then, also when this
/// process is killed.
pub(crate) fn addition(uid: &str, name: &str, image: &ProbeImage) -> Value {
    let patience = ["--patience".to_owned(), PATIENCE.to_string()];
    let command: Vec<&String> = image.command.iter().chain(&patience).collect();
    // The pod's own containers may be less restricted.
    let security: Map<String, Value> = pods::confined().into_iter().chain(pods::unprivileged()).collect();
    json!({
        "metadata": {"uid": uid},
        "spec": {"ephemeralContainers": [{
            "name": name,
            "image": image.reference,
            "imagePullPolicy": image.pull.as_str(),
            "command": command,
            "stdin": true,
            "stdinOnce": true,
            "securityContext": security,
        }]},
    })
}

/// The state of an ephemeral container of a pod.
pub(crate) fn state(pod: &k8s_openapi::api::core::v1::Pod, name: &str) -> pods::PodObstacle {
    let containers = pod.status.as_ref().and_then(|status| status.ephemeral_container_statuses.as_ref());
    let Some(container) = containers.into_iter().flatten().find(|container| container.name == name) else {
        return pods::PodObstacle::Waiting("its probe has no status yet".to_owned());
    };
    let state = container.state.as_ref();
    if state.is_some_and(|state| state.running.is_some()) {
        return pods::PodObstacle::Ready;
    }
    if state.is_some_and(|state| state.terminated.is_some()) {
        return pods::PodObstacle::Failed(pods::ended([container]));
    }
    pods::waiting(container)
        .unwrap_or_else(|| pods::PodObstacle::Waiting("its probe has not started".to_owned()))
}
