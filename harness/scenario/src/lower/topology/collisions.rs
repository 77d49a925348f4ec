//! Names with two meanings.

use std::collections::BTreeSet;

use super::{TopologyDraft, TopologyPart, WinningKey, winners};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::topology::{Endpoint, LOCAL_NODE};

/// A host, a node and an endpoint of Cilium with the same name could not be told apart in a table.
pub(super) fn collisions(parts: &[TopologyPart], draft: &TopologyDraft, mistakes: &mut Mistakes) {
    let world = winners(parts, |part| &part.world);
    for (name, WinningKey { file, position, .. }) in winners(parts, |part| &part.nodes) {
        if world.contains_key(name) && name != LOCAL_NODE {
            let message = format!("`{name}` is a node and a host outside the cluster");
            let help = "give one of them another name".to_owned();
            mistakes.add(file, position, Mistake::new(message).help(help));
        }
    }
    let nodes = winners(parts, |part| &part.nodes);
    let named = world.iter().map(|(name, host)| (name, host.file, host.position));
    let named = named.chain(nodes.iter().map(|(name, node)| (name, node.file, node.position)));
    let own: BTreeSet<String> =
        draft.topology.cilium.iter().map(|endpoint| Endpoint::Cilium(*endpoint).to_string()).collect();
    for (name, file, position) in named.filter(|(name, ..)| own.contains(**name)) {
        let message = format!("`{name}` is also one of Cilium's own endpoints");
        let help = "give it another name, or remove the endpoint from the list `cilium`".to_owned();
        mistakes.add(file, position, Mistake::new(message).help(help));
    }
}
