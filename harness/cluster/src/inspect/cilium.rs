//! Reads facts about Cilium from objects of the cluster.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use verdikt_scenario::version::CiliumVersion;

use super::{AgentPod, NodeFacts, capacity};
use crate::exec::PodContainer;
use crate::pods;

/// The container of the agent in its pod.
const AGENT_CONTAINER: &str = "cilium-agent";

/// `DaemonSets` of other network plugins, by the beginning of their names.
const OTHERS: &[(&str, &str)] = &[
    ("antrea", "Antrea"),
    ("aws-node", "the Amazon VPC CNI"),
    ("azure-cns", "Azure CNI"),
    ("calico", "Calico"),
    ("canal", "Canal"),
    ("kindnet", "kindnet; create the kind cluster with `disableDefaultCNI: true` and install Cilium"),
    ("kube-flannel", "Flannel"),
    ("kube-ovn", "Kube-OVN"),
    ("kube-router", "kube-router"),
    ("netd", "GKE"),
    ("ovnkube", "OVN-Kubernetes"),
    ("weave", "Weave Net"),
];

/// The namespace of Cilium.
pub(super) fn namespace(daemon_sets: &[DaemonSet]) -> Option<String> {
    let labelled = |set: &&DaemonSet| {
        set.metadata
            .labels
            .as_ref()
            .is_some_and(|labels| labels.get("k8s-app").is_some_and(|app| app == "cilium"))
    };
    let named = |set: &&DaemonSet| set.metadata.name.as_deref() == Some("cilium");
    let found = daemon_sets.iter().find(labelled).or_else(|| daemon_sets.iter().find(named))?;
    found.metadata.namespace.clone()
}

/// The network plugin of a cluster without Cilium, if it is a known one.
pub(super) fn other_network(daemon_sets: &[DaemonSet]) -> Option<String> {
    let names = || daemon_sets.iter().filter_map(|set| set.metadata.name.as_deref());
    let found = OTHERS.iter().find(|(prefix, _)| names().any(|name| name.starts_with(prefix)))?;
    Some(found.1.to_owned())
}

/// The nodes with their agents.
pub(super) fn nodes(nodes: &[Node], agents: &[Pod], namespace: &str) -> BTreeMap<String, NodeFacts> {
    let named = nodes.iter().filter_map(|node| Some((node.metadata.name.clone()?, node)));
    named
        .map(|(name, node)| {
            let on_it =
                |pod: &&Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(&name);
            // While an agent is replaced, its old pod still exists.
            let here = agents.iter().filter(on_it).filter_map(|pod| agent(pod, namespace));
            let agent = here.max_by_key(|agent| agent.ready);
            (name, NodeFacts { agent, ..node_facts(node) })
        })
        .collect()
}

fn node_facts(node: &Node) -> NodeFacts {
    let status = node.status.clone().unwrap_or_default();
    let addresses = status.addresses.unwrap_or_default().into_iter();
    let internal = addresses.filter(|address| address.type_ == "InternalIP");
    let conditions = status.conditions.unwrap_or_default();
    let spec = node.spec.clone().unwrap_or_default();
    let repels = |effect: &str| matches!(effect, "NoSchedule" | "NoExecute");
    let tainted = spec.taints.unwrap_or_default().iter().any(|taint| repels(&taint.effect));
    NodeFacts {
        labels: node.metadata.labels.clone().unwrap_or_default(),
        machine: spec.provider_id.clone(),
        addresses: internal.filter_map(|address| address.address.parse().ok()).collect(),
        ready: conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        schedulable: !spec.unschedulable.unwrap_or_default() && !tainted,
        scenarios: capacity::scenarios(&status.allocatable.unwrap_or_default()),
        agent: None,
    }
}

fn agent(pod: &Pod, namespace: &str) -> Option<AgentPod> {
    let container = PodContainer {
        namespace: namespace.to_owned(),
        pod: pod.metadata.name.clone()?,
        container: AGENT_CONTAINER.to_owned(),
    };
    Some(AgentPod { container, ready: pods::is_ready(pod) })
}

/// The version in the tag of the agents' image: `quay.io/cilium/cilium:v1.18.3@sha256:…`.
pub(super) fn version_of_image(agents: &[Pod]) -> Option<String> {
    let containers = agents.iter().filter_map(|pod| pod.spec.as_ref()).flat_map(|spec| &spec.containers);
    let image =
        containers.filter(|container| container.name == AGENT_CONTAINER).find_map(|it| it.image.clone())?;
    let tag = image.split('@').next()?.rsplit('/').next()?.split_once(':')?.1;
    let version = tag.trim_start_matches('v');
    let (major, rest) = version.split_once('.')?;
    let is_version = major.parse::<u32>().is_ok() && rest.starts_with(|c: char| c.is_ascii_digit());
    is_version.then(|| version.to_owned())
}

/// The version in the output of `cilium-dbg version`: `Client: 1.18.3 5f1e2a3 2026-…`.
pub(super) fn version_of_output(output: &str) -> String {
    let mut lines = output.lines().filter_map(|line| line.split_once(':'));
    let daemon = lines.clone().find(|(who, _)| *who == "Daemon");
    let said = daemon.or_else(|| lines.find(|(who, _)| *who == "Client")).map_or(output, |(_, said)| said);
    said.split_whitespace().next().unwrap_or("that does not say its version").to_owned()
}

/// The minor version of `1.18.3`, `1.20.0-dev` or `1.19`.
pub(super) fn minor(version: &str) -> Option<CiliumVersion> {
    let mut parts = version.split(['.', '-', '+']);
    let (major, minor) = (parts.next()?, parts.next()?);
    format!("{major}.{minor}").parse().ok()
}

/// The address and first port of a Service.
pub(super) fn service_address(service: &Service) -> Option<(IpAddr, u16)> {
    let spec = service.spec.as_ref()?;
    let address = spec.cluster_ip.as_deref()?.parse().ok()?;
    let port = spec.ports.as_ref()?.first()?.port;
    Some((address, u16::try_from(port).ok()?))
}
