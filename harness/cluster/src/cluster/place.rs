//! Maps the nodes of a topology to nodes of the cluster.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::name::HostName;
use verdikt_scenario::topology::{LOCAL_NODE, Topology};

use super::ClusterError;
use crate::inspect::{Facts, NodeFacts};
use crate::pods::Placement;

/// The cluster's nodes that a topology uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlaces {
    /// The node that runs the pods.
    pub pods: Placement,
    /// The cluster's node for each node of the topology.
    pub nodes: BTreeMap<HostName, String>,
}

/// Chooses a node of the cluster for each node of the topology: one with the API server where the topology says so,
/// otherwise one without. Schedulable nodes come first, then the order of names decides. Pods go to a node of
/// `borrowed_on`, the nodes of borrowed pods, if there is one.
pub fn choose_places(
    facts: &Facts,
    topology: &Topology,
    borrowed_on: &BTreeSet<&str>,
) -> Result<NodePlaces, ClusterError> {
    let usable = |node: &NodeFacts| node.ready && node.agent.as_ref().is_some_and(|agent| agent.ready);
    let mut free: Vec<(&String, &NodeFacts)> = facts.nodes.iter().filter(|(_, node)| usable(node)).collect();
    let names: Vec<String> = free.iter().map(|(name, _)| (*name).clone()).collect();
    let local = topology.nodes.iter().find(|(name, _)| name.as_str() == LOCAL_NODE);
    let remote = topology.nodes.iter().filter(|(name, _)| name.as_str() != LOCAL_NODE);
    let wanted = 1 + remote.clone().count();
    let too_few = || ClusterError::Nodes { wanted, found: names.len(), names: names.clone() };
    let mut take = |api_server: bool, pods: bool| {
        let best = free.iter().enumerate().min_by_key(|(index, (name, node))| {
            let elsewhere = pods && !borrowed_on.is_empty() && !borrowed_on.contains(name.as_str());
            (elsewhere, facts.runs_api_server(node) != api_server, !node.schedulable, *index)
        });
        best.map(|(index, _)| index).map(|index| free.remove(index))
    };
    let (pods_on, node) = take(local.is_some_and(|(_, node)| node.api_server), true).ok_or_else(too_few)?;
    if !topology.nodes.is_empty() && borrowed_on.iter().any(|name| name != pods_on) {
        let nodes = borrowed_on.iter().map(|name| (*name).to_owned()).collect();
        return Err(ClusterError::Scattered { nodes });
    }
    let pods = Placement { node: pods_on.clone(), tolerate: !node.schedulable };
    let mut nodes: BTreeMap<HostName, String> =
        local.into_iter().map(|(name, _)| (name.clone(), pods_on.clone())).collect();
    for (name, node) in remote {
        let (chosen, _) = take(node.api_server, false).ok_or_else(too_few)?;
        nodes.insert(name.clone(), chosen.clone());
    }
    Ok(NodePlaces { pods, nodes })
}
