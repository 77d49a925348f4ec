//! Node addresses that are needed where ranges match nodes.

use std::sync::Arc;

use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::topology::{TopologyPart, winners};
use crate::place::Position;
use crate::topology::Topology;

/// A node without an address is matched by no range, whatever its address on a cluster.
pub(super) fn check(parts: &[TopologyPart], topology: &Topology, mistakes: &mut Mistakes) {
    for (name, node) in winners(parts, |part| &part.nodes) {
        if node.value.address.is_none() {
            add(node.file, node.position, name, mistakes);
        }
    }
    for (name, pod) in winners(parts, |part| &part.pods) {
        let known = name.parse().ok().and_then(|name| topology.pods.get(&name));
        let node = known.and_then(|pod| pod.host_network.as_ref());
        if let Some(node) = node.filter(|node| !topology.nodes.contains_key(*node)) {
            add(pod.file, pod.position, node.as_str(), mistakes);
        }
    }
}

fn add(file: &Arc<str>, position: Position, node: &str, mistakes: &mut Mistakes) {
    mistakes.add(file, position, no_address(node));
}

/// The mistake that a node has no address.
pub(in crate::lower) fn no_address(node: &str) -> Mistake {
    let message = format!("node `{node}` has no address, and ranges match nodes here (policyCIDRMatchMode)");
    let help = format!("give it one: `nodes: {{{node}: {{address: 192.0.2.10}}}}`");
    Mistake::new(message).help(help)
}
