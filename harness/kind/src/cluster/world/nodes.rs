//! The nodes of a cluster, and the addresses of their pods.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Deserialize;

use crate::cluster::containers::unreadable;
use crate::cluster::kubectl;
use crate::error::Error;
use crate::profile::Profile;

/// A node of a cluster.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KindNode {
    /// Its name, and its container's.
    pub(super) name: String,
    /// Its own address.
    pub(super) address: Ipv4Addr,
    /// The blocks of its pods' addresses.
    pub(super) pods: Vec<Ipv4Net>,
}

/// Lists the nodes of a cluster.
pub(super) fn nodes(profile: &Profile) -> Result<Vec<KindNode>, Error> {
    let said = kubectl(profile, format!("list the nodes of `{}`", profile.cluster()))
        .arguments(["get", "nodes", "--output", "json"])
        .run()?;
    let nodes = read_nodes(&said).filter(|nodes| !nodes.is_empty());
    nodes.ok_or_else(|| unreadable(&said))
}

/// Reads the nodes of a `NodeList`. Kubernetes assigns the addresses of a node's pods, because every profile has
/// `ipam.mode: kubernetes`: <https://docs.cilium.io/en/stable/network/concepts/ipam/kubernetes/>
fn read_nodes(json: &str) -> Option<Vec<KindNode>> {
    #[derive(Deserialize)]
    struct NodeList {
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        metadata: NodeMetadata,
        spec: Spec,
        status: NodeStatus,
    }
    #[derive(Deserialize)]
    struct NodeMetadata {
        name: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spec {
        #[serde(rename = "podCIDRs")]
        pods: Vec<String>,
    }
    #[derive(Deserialize)]
    struct NodeStatus {
        addresses: Vec<Address>,
    }
    #[derive(Deserialize)]
    struct Address {
        #[serde(rename = "type")]
        kind: String,
        address: String,
    }
    let list: NodeList = serde_json::from_str(json).ok()?;
    let node = |Item { metadata, spec, status }| {
        let mut internal = status.addresses.iter().filter(|address| address.kind == "InternalIP");
        let address = internal.find_map(|address| address.address.parse().ok())?;
        // Ranges of IPv6 lead nowhere, as hosts have no such addresses.
        let pods: Vec<Ipv4Net> = spec.pods.iter().filter_map(|range| range.parse().ok()).collect();
        (!pods.is_empty()).then_some(KindNode { name: metadata.name, address, pods })
    };
    list.items.into_iter().map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_both_families_have_those_of_ipv4() {
        let node = |name: &str, addresses: &str, pods: &str| {
            format!(
                r#"{{"metadata": {{"name": "{name}"}}, "spec": {{"podCIDRs": {pods}}}, "status": {{"addresses": {addresses}}}}}"#
            )
        };
        let both = node(
            "one",
            r#"[{"type": "Hostname", "address": "one"}, {"type": "InternalIP", "address": "fc00::3"},
                {"type": "InternalIP", "address": "172.18.0.3"}]"#,
            r#"["10.244.0.0/24", "fd00:10:244::/64"]"#,
        );
        let check = |items: &str| {
            let nodes = read_nodes(&format!(r#"{{"items": [{items}]}}"#))?;
            let text = |node: &KindNode| format!("{} {} {:?}", node.name, node.address, node.pods);
            Some(nodes.iter().map(text).collect::<Vec<_>>().join("\n"))
        };
        assert_eq!(check(&both).unwrap(), "one 172.18.0.3 [10.244.0.0/24]");
        assert_eq!(check(&node("one", "[]", r#"["10.244.0.0/24"]"#)), None, "without an address");
        let address = r#"[{"type": "InternalIP", "address": "172.18.0.3"}]"#;
        assert_eq!(check(&node("one", address, "[]")), None, "without addresses for pods");
        assert_eq!(check("1"), None);
    }
}
