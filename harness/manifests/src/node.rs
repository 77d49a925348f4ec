//! Nodes of a cluster, from their objects.

use verdikt_scenario::document::YamlNode;
use verdikt_scenario::topology::Node;

use crate::field::{self, Unusable};

/// The label of nodes that run the API server.
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane>
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// The name of a node in the topology: names of hosts and nodes have no dots, so that none is mistaken for a DNS
/// name.
pub(crate) fn node_name(text: &str) -> String {
    text.replace('.', "-")
}

/// A node with its labels and the address that it has in the cluster.
pub(crate) fn node(root: &YamlNode) -> Result<Node, Unusable> {
    let labels = field::labels(root.at(&["metadata", "labels"]))?;
    let addresses = root.at(&["status", "addresses"]).map_or(&[][..], YamlNode::elements);
    let is_internal = |entry: &&YamlNode| entry.get("type").and_then(YamlNode::text) == Some("InternalIP");
    let mut internal = addresses.iter().filter(is_internal).filter_map(|entry| entry.get("address")?.text());
    let address = internal.find_map(|text| text.parse().ok());
    Ok(Node { api_server: labels.contains_key(CONTROL_PLANE), address, labels, serves: Vec::new() })
}
