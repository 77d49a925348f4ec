//! Node addresses that an attempt needs where address ranges match nodes.

use crate::attempt::{Attempt, Target};
use crate::lower::mistake::Mistake;
use crate::lower::settings::node_addresses::no_address;
use crate::name::HostName;
use crate::settings::Routing;
use crate::topology::Topology;

/// Whether policies can know every node of an attempt by its address: the target, and the node through which hosts
/// outside enter.
pub(super) fn have_addresses(attempt: &Attempt, topology: &Topology) -> Result<(), Mistake> {
    if !topology.settings.cidr_matches_nodes {
        return Ok(());
    }
    let Some(target) = attempt.target() else { return Ok(()) };
    if let Some(node) = target.endpoint().and_then(|endpoint| topology.node_of(endpoint)) {
        of_family(node, attempt, topology)?;
    }
    match relay(target, topology).filter(|_| topology.settings.routing == Routing::Native) {
        Some(node) if topology.nodes.get(&node).is_none_or(|node| node.address.is_none()) => {
            Err(no_address(node.as_str()))
        }
        _ => Ok(()),
    }
}

/// The node whose address replaces that of hosts outside.
fn relay(target: &Target, topology: &Topology) -> Option<HostName> {
    let mut hosts = topology.world.keys().map(|host| crate::topology::Endpoint::World(host.clone()));
    hosts.find_map(|host| target.relay(&host, topology))
}

fn of_family(node: &HostName, attempt: &Attempt, topology: &Topology) -> Result<(), Mistake> {
    let address = topology.nodes.get(node).and_then(|node| node.address);
    match attempt.family().zip(address) {
        Some((family, address)) if !family.has(address) => {
            let message = format!(
                "node `{node}` has no {family} address, and ranges match nodes here (policyCIDRMatchMode)"
            );
            let help = "attempt it over the family of its address, or leave the family out".to_owned();
            Err(Mistake::new(message).help(help))
        }
        _ => Ok(()),
    }
}
