//! Ports of a node that are forwarded to pods.

use std::sync::Arc;

use super::TopologyDraft;
use crate::file::PodFile;
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::served::{service_port, target_port};
use crate::name::NamespacedName;
use crate::topology::{LOCAL_NODE, Node, Pod, Port, Protocol, Served, ServicePort, TargetPort};

/// The ports of services of type `NodePort`, which Cilium forwards to no single pod.
/// <https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/#container-hostport-support>
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// The ports of the node that are forwarded to a pod.
pub(super) fn lower(
    name: &NamespacedName,
    pod: &Pod,
    value: &PodFile,
    file: &Arc<str>,
    draft: &TopologyDraft,
    mistakes: &mut Mistakes,
) -> Vec<ServicePort> {
    let mut all: Vec<ServicePort> = Vec::new();
    for (key, target) in &value.host_ports {
        let led = mistakes.keep(file, key.position, service_port(&key.value));
        let target_port = mistakes.keep(file, target.position, target_port(&target.value));
        let (Some((port, protocol)), Some(target_port)) = (led, target_port) else { continue };
        let taken = all.iter().any(|other| (other.port, other.protocol) == (port, protocol));
        let problem = if taken {
            Some(Mistake::new(format!("port {port}/{protocol} occurs twice")))
        } else {
            in_vain(pod, port).or_else(|| occupied(name, port, protocol, draft))
        };
        if let Some(problem) = problem {
            mistakes.add(file, key.position, problem);
            continue;
        }
        if !draft.broken.contains(&name.to_string()) {
            mistakes.keep(file, target.position, is_served(name, &pod.serves, protocol, &target_port));
        }
        all.push(ServicePort { port, protocol, target: target_port });
    }
    all
}

/// Why no port of a node can be forwarded to a pod, if so.
fn in_vain(pod: &Pod, port: Port) -> Option<Mistake> {
    if pod.host_network.is_some() {
        let mistake = Mistake::new("a pod in the network of its node serves its ports there by itself");
        return Some(mistake.help("leave `hostPorts` or `hostNetwork` out".to_owned()));
    }
    if pod.cluster.is_some() {
        let mistake = Mistake::new("the nodes of another cluster are not modelled");
        return Some(mistake.help("leave `hostPorts` or `cluster` out".to_owned()));
    }
    NODE_PORTS.contains(&port.get()).then(|| {
        let message =
            format!("Cilium ignores {port} as a port of the node for a pod: it is one for services");
        let help = format!("use a port outside of {}-{}", NODE_PORTS.start(), NODE_PORTS.end());
        Mistake::new(message).help(help)
    })
}

/// The pod that has the port on the node already, if any.
fn occupied(name: &NamespacedName, port: Port, protocol: Protocol, draft: &TopologyDraft) -> Option<Mistake> {
    let serves = |served: &Served| served.port == port && served.protocol.answers(protocol);
    let topology = &draft.topology;
    let is_led = |pod: &Pod| pod.host_ports.iter().any(|led| (led.port, led.protocol) == (port, protocol));
    let in_its_network = |pod: &Pod| {
        let node = pod.host_network.as_ref().filter(|node| node.as_str() == LOCAL_NODE);
        node.is_some() && pod.serves.iter().any(serves)
    };
    let mut others = topology.pods.iter().filter(|(other, _)| *other != name);
    let by_node = topology.nodes.iter().find(|(node, _)| node.as_str() == LOCAL_NODE);
    let serving = by_node.filter(|(_, node): &(_, &Node)| node.serves.iter().any(serves));
    let owner = others
        .find(|(_, pod)| is_led(pod) || in_its_network(pod))
        .map(|(other, _)| other.to_string())
        .or_else(|| serving.map(|(node, _)| node.to_string()))?;
    let mistake = Mistake::new(format!("port {port}/{protocol} of the node is that of {owner}"));
    Some(mistake.help("give the pod another port: a topology has one node for its pods".to_owned()))
}

fn is_served(
    name: &NamespacedName,
    serves: &[Served],
    protocol: Protocol,
    target: &TargetPort,
) -> Result<(), Mistake> {
    let is_it = |served: &&Served| match target {
        TargetPort::Number(number) => served.port == *number,
        TargetPort::Name(name) => served.name.as_ref() == Some(name),
    };
    if serves.iter().filter(|served| served.protocol.answers(protocol)).any(|served| is_it(&served)) {
        return Ok(());
    }
    let target = match target {
        TargetPort::Number(number) => number.to_string(),
        TargetPort::Name(name) => format!("`{name}`"),
    };
    let help = format!("let it serve the port: `serves: [{protocol} {target}]`");
    Err(Mistake::new(format!("`{name}` does not serve {protocol} port {target}")).help(help))
}
