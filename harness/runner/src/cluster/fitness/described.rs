//! Checks that a cluster's nodes and addresses are as a topology describes them, as far as verdicts depend on it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use tracing::debug;
use verdikt_cluster::borrow::Borrowed;
use verdikt_cluster::cluster::{NodePlaces, choose_places};
use verdikt_cluster::inspect::Facts;
use verdikt_scenario::document;
use verdikt_scenario::name::HostName;
use verdikt_scenario::scenario::Step;
use verdikt_scenario::topology::{Endpoint, LOCAL_NODE, Labels, Topology};

use super::{API_SERVER, has, has_key, speaks_of_api_server};

/// The fields by which policies select nodes.
const SELECT_NODES: &[&str] = &["fromNodes", "toNodes", "nodeSelector", "nodes"];

/// How the topology of a step differs from the cluster; none if no difference matters.
pub(super) fn otherwise(facts: &Facts, borrowed: &Borrowed, step: &Step) -> Option<String> {
    let topology = &step.topology;
    let api_server = || if speaks_of_api_server(step) { api_server(facts, borrowed, topology) } else { None };
    let labels = || if selects_nodes(step) { node_labels(facts, borrowed, topology) } else { None };
    let addresses = || {
        // Policies see the addresses of nodes only with this setting.
        let matter = topology.settings.cidr_matches_nodes && !step.policies.is_empty();
        matter.then(|| node_address(facts, borrowed, topology)).flatten()
    };
    api_server().or_else(labels).or_else(addresses).or_else(|| taken_address(facts, topology))
}

/// The nodes that the step would use; none if there are too few, with which the scenario fails when it starts.
fn node_places(facts: &Facts, topology: &Topology, lent: &BTreeSet<&str>) -> Option<NodePlaces> {
    let places = choose_places(facts, topology, lent);
    places.inspect_err(|error| debug!(%error, "the step finds no place")).ok()
}

/// A node whose address differs from the topology.
fn node_address(facts: &Facts, borrowed: &Borrowed, topology: &Topology) -> Option<String> {
    let lent = topology.pods.keys().filter_map(|pod| borrowed.pods.get(pod)?.node.as_deref());
    let places = node_places(facts, topology, &lent.collect())?;
    places.nodes.iter().find_map(|(name, node)| {
        let described = topology.nodes.get(name)?.address?;
        let actual = &facts.nodes.get(node)?.addresses;
        if actual.contains(&described) {
            return None;
        }
        let actual: Vec<String> = actual.iter().map(ToString::to_string).collect();
        Some(format!(
            "in its settings ranges of addresses match nodes, and its node {name} has the address {described}; that would \
             be {node}, which has {}",
            actual.join(", ")
        ))
    })
}

/// Whether a policy of a step selects nodes by their labels.
fn selects_nodes(step: &Step) -> bool {
    let selects = |node: &document::YamlNode| SELECT_NODES.iter().any(|field| has_key(node, field));
    step.policies.iter().any(|manifest| has(&manifest.root, &selects))
}

/// A node whose labels differ from the topology, in a key that the topology has at any node.
fn node_labels(facts: &Facts, borrowed: &Borrowed, topology: &Topology) -> Option<String> {
    let keys: BTreeSet<&String> = topology.nodes.values().flat_map(|node| node.labels.keys()).collect();
    let lent = topology.pods.keys().filter_map(|pod| borrowed.pods.get(pod)?.node.as_deref());
    let places = node_places(facts, topology, &lent.collect())?;
    places.nodes.iter().find_map(|(name, node)| {
        let described = &topology.nodes.get(name)?.labels;
        let actual = &facts.nodes.get(node)?.labels;
        let key = keys.iter().find(|key| described.get(**key) != actual.get(**key))?;
        let value = |labels: &Labels| {
            labels.get(*key).map_or_else(|| "is not there".to_owned(), |value| format!("is \"{value}\""))
        };
        Some(format!(
            "it has a policy that selects nodes, and the label {key} of its node {name} {}; that would be {node}, where \
             it {}",
            value(described),
            value(actual)
        ))
    })
}

/// A node that runs the API server although the topology says that it does not, or the other way round.
fn api_server(facts: &Facts, borrowed: &Borrowed, topology: &Topology) -> Option<String> {
    let borrowed = topology.pods.keys().filter_map(|pod| borrowed.pods.get(pod)?.node.as_deref());
    let borrowed_on: BTreeSet<&str> = borrowed.collect();
    // Too few nodes are reported elsewhere.
    let places = node_places(facts, topology, &borrowed_on)?;
    let described = topology.api_servers();
    // Pods may be in the network of their node without a word about it.
    let local: Option<HostName> = LOCAL_NODE.parse().ok().filter(|name| !topology.nodes.contains_key(name));
    let is_used = |name: &HostName| topology.pods.values().any(|pod| pod.host_network.as_ref() == Some(name));
    let unsaid = local.filter(is_used).map(|name| (name, places.pods.node.clone()));
    places.nodes.into_iter().chain(unsaid).find_map(|(name, node)| {
        let runs = facts.nodes.get(&node).is_some_and(|facts_of| facts.runs_api_server(facts_of));
        match (described.contains(&Endpoint::Node(name.clone())), runs) {
            (false, true) => Some(format!(
                "it has a policy for the entity {API_SERVER}, and its node {name} would be {node}, which runs the API \
                 server; the topology has to say so (`apiServer: true`)"
            )),
            (true, false) => Some(format!(
                "it has a policy for the entity {API_SERVER}, and its node {name} would be {node}, which does not run \
                 the API server as the topology says"
            )),
            (true, true) | (false, false) => None,
        }
    })
}

/// A host outside with the address of a node or of the API server, and so with another identity.
fn taken_address(facts: &Facts, topology: &Topology) -> Option<String> {
    topology.world.iter().find_map(|(host, described)| {
        let address: &IpAddr = &described.address;
        let node = facts.nodes.iter().find(|(_, node)| node.addresses.contains(address));
        let of = match node {
            Some((node, _)) => format!("the node {node}"),
            None if facts.api_servers.contains(address) => "the API server".to_owned(),
            None => return None,
        };
        Some(format!("its host {host} has the address {address}, and here that is {of}"))
    })
}
