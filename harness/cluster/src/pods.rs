//! Builds the manifests of pods, and reads the status of pods.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde_json::{Map, Value, json};
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{self, Protocol, Served, ServicePort, TargetPort};

use crate::image::ProbeImage;
use crate::mark::{RunId, SYSTEM_NAMESPACE};
use crate::services;

/// The name of the probe's container.
pub const PROBE_CONTAINER: &str = "probe";
/// The user the probe runs as. <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
const USER: u32 = 65532;

/// The node for pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The node.
    pub node: String,
    /// Whether pods need tolerations for its taints.
    pub tolerate: bool,
}

impl Placement {
    fn write(&self, spec: &mut Value) {
        // The scheduler still checks whether the node has room, which `nodeName` would bypass.
        spec["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": [
                {"key": "metadata.name", "operator": "In", "values": [self.node]}
            ]}]
        }}});
        if self.tolerate {
            spec["tolerations"] = json!([{"operator": "Exists"}]);
        }
    }
}

/// A pod of the topology, with exactly its labels, since they make up its identity, under the `restricted` profile.
pub fn manifest(
    name: &NamespacedName,
    pod: &topology::Pod,
    image: &ProbeImage,
    run: &RunId,
    placement: Option<&Placement>,
) -> Value {
    let mut spec = common(image);
    spec["serviceAccountName"] = json!(pod.service_account.as_deref().unwrap_or("default"));
    let container = &mut spec["containers"][0];
    container["ports"] = ports(pod);
    container["securityContext"] = confined().into();
    spec["securityContext"] = unprivileged().into();
    // Ports below 1024, and pings without a raw socket. Both are safe sysctls, which the kubelet allows by default.
    // https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/#safe-and-unsafe-sysctls
    spec["securityContext"]["sysctls"] = json!([
        {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"},
        {"name": "net.ipv4.ping_group_range", "value": "0 2147483647"},
    ]);
    if let Some(placement) = placement {
        placement.write(&mut spec);
    }
    of_topology(name, pod, run, &spec)
}

/// The security context that the `restricted` profile requires of a container.
/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
pub(crate) fn confined() -> Map<String, Value> {
    [
        ("allowPrivilegeEscalation", json!(false)),
        ("capabilities", json!({"drop": ["ALL"]})),
        ("readOnlyRootFilesystem", json!(true)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into_iter()
    .collect()
}

/// The security context that it requires of a pod, or of a container in a pod without it.
pub(crate) fn unprivileged() -> Map<String, Value> {
    [
        ("runAsNonRoot", json!(true)),
        ("runAsUser", json!(USER)),
        ("runAsGroup", json!(USER)),
        ("seccompProfile", json!({"type": "RuntimeDefault"})),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into_iter()
    .collect()
}

/// The pod that stands for a node: its probe is in the network of the node.
pub fn node_manifest(name: &str, image: &ProbeImage, run: &RunId, node: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": SYSTEM_NAMESPACE, "name": name, "annotations": run.marks()},
        "spec": in_host_network(image, node),
    })
}

/// A pod of the topology in the network of its node, which only the Pod Security profile `privileged` allows.
pub fn host_network_manifest(
    name: &NamespacedName,
    pod: &topology::Pod,
    image: &ProbeImage,
    run: &RunId,
    node: &str,
) -> Value {
    let mut spec = in_host_network(image, node);
    spec["serviceAccountName"] = json!(pod.service_account.as_deref().unwrap_or("default"));
    spec["containers"][0]["ports"] = ports(pod);
    of_topology(name, pod, run, &spec)
}

fn of_topology(name: &NamespacedName, pod: &topology::Pod, run: &RunId, spec: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": name.namespace.as_str(),
            "name": name.name.as_str(),
            "labels": pod.labels,
            "annotations": run.marks(),
        },
        "spec": spec,
    })
}

fn in_host_network(image: &ProbeImage, node: &str) -> Value {
    let mut spec = common(image);
    spec["hostNetwork"] = json!(true);
    spec["securityContext"] = json!({"seccompProfile": {"type": "RuntimeDefault"}});
    // A pod cannot set sysctls of the node's network: it runs as root, with the capabilities to listen and ping only.
    spec["containers"][0]["securityContext"] = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "NET_RAW"]},
        "readOnlyRootFilesystem": true,
        "runAsUser": 0,
    });
    Placement { node: node.to_owned(), tolerate: true }.write(&mut spec);
    spec
}

/// Whether a created pod uses the network of its node, and so is not an endpoint of Cilium.
pub(crate) fn is_in_host_network(pod: &Value) -> bool {
    pod.pointer("/spec/hostNetwork").and_then(Value::as_bool).unwrap_or_default()
}

/// The node of a created pod.
pub(crate) fn placed_on(pod: &Value) -> Option<&str> {
    let terms =
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    pod.pointer(terms)?.pointer("/0/matchFields/0/values/0")?.as_str()
}

fn common(image: &ProbeImage) -> Value {
    json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "containers": [{
            "name": PROBE_CONTAINER,
            "image": image.reference,
            "imagePullPolicy": image.pull.as_str(),
            "command": image.command,
            // The first process is a probe that never gets an order; the probe that is used is started beside it.
            "stdin": true,
            "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
        }],
    })
}

/// The ports that a pod declares, by which policies and services find named ports.
fn ports(pod: &topology::Pod) -> Value {
    let host_port = |served: &Served, protocol: Protocol| {
        let is_it = |led: &&ServicePort| match &led.target {
            TargetPort::Number(number) => *number == served.port,
            TargetPort::Name(name) => served.name.as_ref() == Some(name),
        };
        let mut led = pod.host_ports.iter().filter(|led| led.protocol == protocol);
        led.find(is_it).map(|led| led.port.get())
    };
    let transports = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let each = pod.serves.iter().flat_map(move |served| {
        let answered = transports.into_iter().filter(move |protocol| served.protocol.answers(*protocol));
        answered.enumerate().map(move |(index, protocol)| {
            let word = services::protocol(protocol);
            let mut port = json!({"containerPort": served.port.get(), "protocol": word});
            if let Some(of_host) = host_port(served, protocol) {
                port["hostPort"] = json!(of_host);
            }
            // Port names are unique in a pod: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#ports>
            if let (Some(name), 0) = (&served.name, index) {
                port["name"] = json!(name.as_str());
            }
            port
        })
    });
    each.collect()
}

/// The addresses of a pod; none before it has any.
pub fn addresses(pod: &Pod) -> Vec<IpAddr> {
    let status = pod.status.as_ref();
    let list = status.and_then(|status| status.pod_ips.as_ref()).into_iter().flatten();
    let addresses: Vec<IpAddr> = list.filter_map(|entry| entry.ip.parse().ok()).collect();
    let only = status.and_then(|status| status.pod_ip.as_deref()).and_then(|ip| ip.parse().ok());
    if addresses.is_empty() { only.into_iter().collect() } else { addresses }
}

/// Whether a pod's containers run and are ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Whether a pod is ready, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodObstacle {
    /// It is ready.
    Ready,
    /// It may become ready; what was last seen.
    Waiting(String),
    /// It will not become ready; why, and what to do.
    Failed(String),
}

/// Whether a container may become ready without help.
#[derive(Clone, Copy)]
enum Recovery {
    Perhaps,
    Never,
}

/// Advice for the reasons why a container waits.
/// <https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/images/types.go>
const ADVICE: &[(&str, Recovery, &str)] = &[
    (
        "ErrImageNeverPull",
        Recovery::Never,
        "load the image into the node first (`verdikt images`), or name a registry that has it",
    ),
    ("ErrImagePull", Recovery::Perhaps, PULL),
    ("ImagePullBackOff", Recovery::Perhaps, PULL),
    ("InvalidImageName", Recovery::Never, "give a valid image name"),
    ("CreateContainerConfigError", Recovery::Never, "look at the pod's events"),
    ("RunContainerError", Recovery::Never, "look at the pod's events"),
];

const PULL: &str =
    "can the node reach the registry, and is the image there (`verdikt images --probe FILE` writes it)?";

/// The state of a pod.
pub fn state(pod: &Pod) -> PodObstacle {
    if is_ready(pod) && !addresses(pod).is_empty() {
        return PodObstacle::Ready;
    }
    let Some(status) = &pod.status else { return PodObstacle::Waiting("it has no status yet".to_owned()) };
    if status.phase.as_deref() == Some("Failed") {
        let reason =
            [&status.reason, &status.message].into_iter().flatten().cloned().collect::<Vec<_>>().join(": ");
        return PodObstacle::Failed(if reason.is_empty() {
            ended(status.container_statuses.iter().flatten())
        } else {
            reason
        });
    }
    let conditions = status.conditions.iter().flatten();
    let mut unscheduled = conditions.filter(|it| it.type_ == "PodScheduled" && it.status == "False");
    if let Some(condition) = unscheduled.next() {
        let message = condition.message.as_deref().unwrap_or("the scheduler found no node");
        return PodObstacle::Waiting(format!("no node takes it: {message}"));
    }
    if let Some(state) = status.container_statuses.iter().flatten().find_map(waiting) {
        return state;
    }
    let phase = status.phase.as_deref().unwrap_or("unknown");
    PodObstacle::Waiting(format!("it is in phase {phase} and not ready"))
}

/// Why a container waits; none if it does not wait.
pub(crate) fn waiting(container: &ContainerStatus) -> Option<PodObstacle> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or("waiting");
    let message = waiting.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    Some(match ADVICE.iter().find(|(known, ..)| *known == reason) {
        Some((_, Recovery::Never, advice)) => PodObstacle::Failed(format!("{reason}{message}; {advice}")),
        Some((_, Recovery::Perhaps, advice)) => {
            PodObstacle::Waiting(format!("its container is in state {reason}{message}; {advice}"))
        }
        None => PodObstacle::Waiting(format!("its container is in state {reason}{message}")),
    })
}

/// How the first ended of these containers ended.
pub(crate) fn ended<'a>(containers: impl IntoIterator<Item = &'a ContainerStatus>) -> String {
    let mut states = containers.into_iter().filter_map(|container| container.state.as_ref());
    let ended = states.find_map(|state| state.terminated.as_ref());
    ended.map_or("its container has ended".to_owned(), |ended| {
        let reason = ended.reason.as_deref().unwrap_or("Error");
        format!("its container has ended with exit code {} ({reason})", ended.exit_code)
    })
}

/// The patch from one set of labels to another: keys that are not wanted become null.
pub(crate) fn label_change(from: &BTreeMap<String, String>, to: &BTreeMap<String, String>) -> Value {
    let gone = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let wanted = to.iter().map(|(key, value)| (key.clone(), json!(value)));
    json!({"metadata": {"labels": gone.chain(wanted).collect::<serde_json::Map<_, _>>()}})
}
