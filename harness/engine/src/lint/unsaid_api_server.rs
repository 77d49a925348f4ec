//! Rules for the API server where a topology has its pod, and does not say of the pod's node that it runs there.
//!
//! Cilium knows a node as `kube-apiserver` by the endpoints of the service `default/kubernetes`, and not by its pods.
//! <https://docs.cilium.io/en/stable/security/policy/language/#entities-based>

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::name::{HostName, NamespacedName};
use verdikt_scenario::topology::{Endpoint, Topology};

use super::LintContext;
use crate::rule::{Entity, PeerMatcher, Peers};

/// The keys of the label that installers of clusters give the API server's pod.
const KEYS: [&str; 3] = ["component", "app.kubernetes.io/component", "k8s-app"];

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let Some((pod, node)) = context.topology.and_then(unsaid) else { return Vec::new() };
    let mut warnings = Vec::new();
    for (_, entry) in context.entries() {
        let Peers::OneOf(peers) = &entry.peers else { continue };
        for peer in peers.iter().filter(|peer| peer.matcher == PeerMatcher::Entity(Entity::KubeApiserver)) {
            let message = format!(
                "`kube-apiserver` is not the node `{node}` here, in whose network {pod} is: the topology does not say that it runs \
                 the API server"
            );
            let help = format!("say so: `nodes: {{{node}: {{apiServer: true}}}}`");
            let place = context.place(entry, peer.position);
            warnings.push(Diagnostic::warning(place, "host-network-pods", message).help(help));
        }
    }
    warnings
}

/// A pod that is the API server by its label, in the network of a node of which nothing says so.
fn unsaid(topology: &Topology) -> Option<(&NamespacedName, &HostName)> {
    let servers = topology.api_servers();
    topology.pods.iter().find_map(|(name, pod)| {
        let node = pod.host_network.as_ref()?;
        let is_server =
            pod.labels.iter().any(|(key, value)| KEYS.contains(&key.as_str()) && value == "kube-apiserver");
        let is_unsaid = is_server && !servers.contains(&Endpoint::Node(node.clone()));
        is_unsaid.then_some((name, node))
    })
}
