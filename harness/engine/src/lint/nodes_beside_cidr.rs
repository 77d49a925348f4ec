//! `cluster` or `remote-node` beside a range of clients outside: behind a load balancer any client may come from a node.
//!
//! <https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/#client-source-ip-preservation>

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::topology::{Endpoint, ServiceType};

use super::LintContext;
use crate::rule::{Direction, Effect, Entity, Peer, PeerMatcher, Peers, Rule, RuleEntry};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut hints = Vec::new();
    for rule in context.model.rules.iter() {
        let admits =
            |entry: &&RuleEntry| (entry.direction, entry.effect) == (Direction::Ingress, Effect::Allow);
        let peers =
            || rule.entries.iter().filter(admits).flat_map(|entry| peers(entry).map(move |p| (entry, p)));
        let Some(range) = peers().find_map(|(_, peer)| range_of_clients(peer)) else { continue };
        let Some((entry, peer)) = peers().find(|(_, peer)| takes_in_nodes(peer)) else { continue };
        if !is_behind_a_balancer(context, rule) {
            continue;
        }
        let message = format!(
            "a client outside may arrive with the address of a node, which this allows: {range} then excludes no client"
        );
        let help = "give the service in front `externalTrafficPolicy: Local`, or take the nodes out";
        let place = context.place(entry, peer.position);
        hints.push(Diagnostic::hint(place, "nodes-beside-cidr", message).help(help));
    }
    hints
}

fn peers(entry: &RuleEntry) -> impl Iterator<Item = &Peer> {
    let peers = match &entry.peers {
        Peers::Any => &[][..],
        Peers::OneOf(peers) => peers,
    };
    peers.iter()
}

fn range_of_clients(peer: &Peer) -> Option<String> {
    let PeerMatcher::Cidr { within, .. } = &peer.matcher else { return None };
    within.iter().find(|prefix| prefix.prefix_len() > 0).map(ToString::to_string)
}

fn takes_in_nodes(peer: &Peer) -> bool {
    matches!(peer.matcher, PeerMatcher::Entity(Entity::Cluster | Entity::RemoteNode))
}

/// Whether clients outside reach what a rule selects through a service, as far as a topology tells.
fn is_behind_a_balancer(context: &LintContext<'_>, rule: &Rule) -> bool {
    let Some(topology) = context.topology else { return true };
    let selected: Vec<&Endpoint> = context.selected(rule);
    topology.services.iter().any(|(name, service)| {
        service.service_type != ServiceType::ClusterIp
            && topology.backends(name).iter().any(|backend| selected.contains(&backend))
    })
}
