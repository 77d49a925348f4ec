//! Workloads: objects that create pods, or are pods.

use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::topology::Pod;

use crate::field::{self, Unusable};
use crate::ports;

/// A workload as an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) pod: Pod,
    /// Whether its pods are in the network of their node.
    pub(crate) host_network: bool,
    /// The node that it is on, if it says so.
    pub(crate) node_name: Option<String>,
}

/// The pod of a workload: labels and specification.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PodTemplate<'a> {
    metadata: Option<&'a YamlNode>,
    spec: &'a YamlNode,
}

/// The pod template of an object of any kind, if it has one.
pub(crate) fn pod_template<'a>(root: &'a YamlNode, kind: &str) -> Option<PodTemplate<'a>> {
    if kind == "Pod" {
        let spec = root.get("spec").filter(|spec| has_containers(spec))?;
        return Some(PodTemplate { metadata: root.get("metadata"), spec });
    }
    let paths = [&["spec", "template"][..], &["spec", "jobTemplate", "spec", "template"]];
    let templates = paths.iter().filter_map(|path| root.at(path));
    let mut templates = templates.filter_map(|template| {
        let spec = template.get("spec").filter(|spec| has_containers(spec))?;
        Some(PodTemplate { metadata: template.get("metadata"), spec })
    });
    templates.next()
}

fn has_containers(spec: &YamlNode) -> bool {
    matches!(spec.get("containers"), Some(YamlNode { value: Value::List(_), .. }))
}

/// The endpoint that a pod template describes.
pub(crate) fn workload(template: PodTemplate<'_>) -> Result<Workload, Unusable> {
    let PodTemplate { metadata, spec } = template;
    let labels = field::labels(metadata.and_then(|metadata| metadata.get("labels")))?;
    let account = match field::optional_text(spec, &["serviceAccountName"])? {
        None => field::optional_text(spec, &["serviceAccount"])?,
        account => account,
    };
    let service_account = account.filter(|account| !account.is_empty()).map(str::to_owned);
    let serves = ports::served(spec)?;
    let host_network = matches!(spec.get("hostNetwork"), Some(YamlNode { value: Value::Boolean(true), .. }));
    let node_name = field::optional_text(spec, &["nodeName"])?.map(str::to_owned);
    // A pod in the network of its node serves its ports there anyway.
    let host_ports = if host_network { Vec::new() } else { ports::of_host(spec)? };
    let pod = Pod { labels, service_account, serves, host_ports, ..Pod::default() };
    Ok(Workload { pod, host_network, node_name })
}

/// Whether an object is created by a controller with an object of its own: both are the same endpoint.
pub(crate) fn controller(root: &YamlNode) -> Option<(&str, &str)> {
    let owners = root.at(&["metadata", "ownerReferences"]).map_or(&[][..], YamlNode::elements);
    let is_controller = |owner: &&YamlNode| {
        matches!(owner.get("controller"), Some(YamlNode { value: Value::Boolean(true), .. }))
    };
    let owner = owners.iter().find(is_controller)?;
    Some((owner.get("kind")?.text()?, owner.get("name")?.text()?))
}

/// The built-in kinds, in the order in which they keep a shared name.
const BUILT_IN: &[&str] = &[
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Pod",
    "Job",
    "CronJob",
];

/// The rank of a kind among those that share a name.
pub(crate) fn rank(kind: &str) -> usize {
    BUILT_IN.iter().position(|known| *known == kind).unwrap_or(BUILT_IN.len())
}
