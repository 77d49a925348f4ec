//! What a run borrows: namespaces that are somebody else's, with the pods and services that are there already.
//!
//! Nothing of it is changed but one thing: a pod gets an ephemeral container, which is a probe.
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

/// How long a probe in somebody's pod waits for its first order, in seconds: a run that is killed before it speaks to
/// the probe leaves nothing that runs for ever.
const PATIENCE: u32 = 60;

/// What there is in the namespaces that a run borrows, without what verdikt has made there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Borrowed {
    /// The namespaces, with their labels.
    pub namespaces: BTreeMap<NamespaceName, Labels>,
    /// Their pods.
    pub pods: BTreeMap<NamespacedName, BorrowedPod>,
    /// Their services.
    pub services: BTreeMap<NamespacedName, BorrowedService>,
}

/// Somebody's pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BorrowedPod {
    /// What tells it from a later pod of the same name.
    pub uid: String,
    /// Its labels.
    pub labels: Labels,
    /// Its service account.
    pub service_account: String,
    /// The node that runs it; none before there is one.
    pub node: Option<String>,
    /// Whether it lives in the network of its node, and so is none of Cilium's endpoints.
    pub in_host_network: bool,
}

/// Somebody's service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BorrowedService {
    /// Its addresses in the cluster.
    pub addresses: Vec<IpAddr>,
    /// How far it reaches.
    pub service_type: ServiceType,
    /// Its labels.
    pub labels: Labels,
    /// The pods behind it; none for a service without a selector.
    pub selects: Option<Labels>,
    /// What it offers.
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
    /// It is nobody else's.
    #[error(
        "the namespace {0} is verdikt's own: it needs no borrowing; `verdikt clean` removes what runs left"
    )]
    Ours(NamespaceName),
}

/// Looks at the namespaces that a run borrows.
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

/// The policies of others that may be in force in these namespaces: theirs, and those of the whole cluster.
pub async fn policies(
    connection: &ApiConnection,
    namespaces: &BTreeSet<NamespaceName>,
) -> Result<BTreeSet<ApiObject>, ApiError> {
    let mut found = BTreeSet::new();
    for kind in POLICIES.into_iter().filter(|kind| kind.kind != "CiliumCIDRGroup") {
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

/// Whether an object is not verdikt's.
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

/// The name of the next probe's container in a pod: no container of a pod ever leaves its list.
pub(crate) fn next_name(pod: &Value, run: &RunId) -> String {
    let present = pod.pointer("/spec/ephemeralContainers").and_then(Value::as_array).map_or(0, Vec::len);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let run: String = run.as_str().chars().map(plain).take(40).collect();
    format!("verdikt-{run}-{present}")
}

/// The change that gives somebody's pod a probe, and no later pod of the same name.
///
/// The probe begins at once and ends with the first session to it: `stdinOnce` ends its orders then, also when this
/// process is killed.
pub(crate) fn addition(uid: &str, name: &str, image: &ProbeImage) -> Value {
    let patience = ["--patience".to_owned(), PATIENCE.to_string()];
    let command: Vec<&String> = image.command.iter().chain(&patience).collect();
    // Whose pod it is may not ask as much of its containers.
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

/// What Kubernetes says of an ephemeral container of a pod.
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
        .unwrap_or_else(|| pods::PodObstacle::Waiting("its probe has not begun".to_owned()))
}
