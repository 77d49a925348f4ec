//! The place of a pod: in the network of a node, or in another cluster.

use std::sync::Arc;

use super::TopologyDraft;
use crate::file::{Located, PodFile};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::suggest::did_you_mean;
use crate::name::{HostName, is_dns_label};
use crate::topology::{LOCAL_NODE, Pod};

/// The keys of a pod that say where it is.
pub(super) fn lower(value: &PodFile, file: &Arc<str>, draft: &TopologyDraft, mistakes: &mut Mistakes) -> Pod {
    let cluster = value.cluster.as_ref().and_then(|cluster| {
        mistakes.keep(file, cluster.position, cluster_name(&cluster.value)).map(|()| cluster.value.clone())
    });
    if let (true, Some(cluster)) = (value.host_network, &value.cluster) {
        let mistake = Mistake::new("a pod in the network of a node of another cluster is not modelled");
        mistakes.add(file, cluster.position, mistake.help("leave `cluster` or `hostNetwork` out".to_owned()));
    }
    if let (false, Some(node)) = (value.host_network, &value.node) {
        let message = format!("the pods of a topology are on `{LOCAL_NODE}`, unless they have `hostNetwork`");
        let help = "give the pod `hostNetwork: true`, or leave `node` out".to_owned();
        mistakes.add(file, node.position, Mistake::new(message).help(help));
    }
    let node = match &value.node {
        Some(node) => mistakes.keep(file, node.position, known_node(node, draft)),
        None => LOCAL_NODE.parse().ok(),
    };
    Pod { host_network: node.filter(|_| value.host_network), cluster, ..Pod::default() }
}

fn known_node(text: &Located<String>, draft: &TopologyDraft) -> Result<HostName, Mistake> {
    let name = text.value.parse::<HostName>()?;
    let nodes = &draft.topology.nodes;
    if nodes.contains_key(&name) || text.value == LOCAL_NODE {
        return Ok(name);
    }
    let known: Vec<&str> = nodes.keys().map(HostName::as_str).collect();
    let help = if known.is_empty() {
        format!("add it to the topology: `nodes: {{{name}: {{}}}}`")
    } else {
        did_you_mean(&text.value, "the nodes are", &known)
    };
    Err(Mistake::new(format!("no node is called `{name}`")).help(help))
}

/// <https://docs.cilium.io/en/stable/network/clustermesh/clustermesh/#prerequisites>
fn cluster_name(text: &str) -> Result<(), Mistake> {
    if text == "default" {
        let mistake = Mistake::new("`default` is the name of this cluster");
        return Err(mistake.help("leave it out, or name another cluster".to_owned()));
    }
    if is_dns_label(text) && text.len() <= 32 {
        return Ok(());
    }
    let mistake = Mistake::new(format!("`{text}` is not the name of a cluster"));
    Err(mistake.help("lower-case letters, digits and inner hyphens, at most 32 characters".to_owned()))
}
