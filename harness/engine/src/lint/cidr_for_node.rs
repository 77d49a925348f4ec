//! The address of a node in a CIDR rule: by default CIDR rules match only addresses outside the cluster.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#ip-cidr-based>

use ipnet::IpNet;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::PolicyKind;

use super::LintContext;
use crate::rule::{Direction, Effect, PeerMatcher, Peers, PortMatcher, Ports, RuleEntry};

/// Ports on which nodes listen: API server, kubelet, etcd.
const PORTS_OF_NODES: [u16; 4] = [6443, 10250, 2379, 2380];

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut hints = Vec::new();
    for (_, entry) in context.entries().filter(|(_, entry)| is_about_nodes(entry)) {
        let Peers::OneOf(peers) = &entry.peers else { continue };
        for peer in peers.iter().filter(|peer| !peer.field.leads_through_services()) {
            let PeerMatcher::Cidr { within, .. } = &peer.matcher else { continue };
            let Some(address) = within.iter().find(|prefix| is_private_address(prefix)) else { continue };
            let hosts = context.topology.iter().flat_map(|topology| topology.world.values());
            if hosts.into_iter().any(|host| address.contains(&host.address)) {
                continue;
            }
            let message =
                format!("{} may be a node of this cluster, which CIDR rules do not match", address.addr());
            let help = match context.model.objects[entry.origin.object].kind() {
                Some(PolicyKind::NetworkPolicy) => {
                    "no NetworkPolicy can name a node: add a CiliumNetworkPolicy with `toEntities: [kube-apiserver]` or \
                     `[host, remote-node]`"
                }
                _ => "write `toEntities: [kube-apiserver]`, or `[host, remote-node]`",
            };
            let place = context.place(entry, peer.position);
            hints.push(Diagnostic::hint(place, "cidr-for-node", message).help(help));
        }
    }
    hints
}

/// Whether an entry allows traffic to ports on which nodes listen, and to few others.
fn is_about_nodes(entry: &RuleEntry) -> bool {
    let of_nodes = |matcher: &PortMatcher| matches!(matcher, PortMatcher::Range { first, last, .. } if first == last && PORTS_OF_NODES.contains(first));
    let ports = match &entry.ports {
        Ports::All => false,
        Ports::OneOf(ports) => ports.iter().any(|port| of_nodes(&port.matcher)),
    };
    (entry.direction, entry.effect) == (Direction::Egress, Effect::Allow) && ports
}

fn is_private_address(prefix: &IpNet) -> bool {
    match prefix {
        IpNet::V4(prefix) => prefix.prefix_len() == 32 && prefix.addr().is_private(),
        IpNet::V6(prefix) => prefix.prefix_len() == 128 && prefix.addr().is_unique_local(),
    }
}
