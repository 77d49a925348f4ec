//! A rule for an address from which a local redirect policy redirects pods: the rules for the pods that answer apply.
//!
//! <https://docs.cilium.io/en/stable/network/kubernetes/local-redirect-policy/>

use std::net::IpAddr;

use ipnet::IpNet;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::topology::{Protocol, RedirectFrontend};

use super::LintContext;
use crate::rule::{Direction, Effect, Peer, PeerMatcher, Peers, PortMatcher, Ports, RuleEntry};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    let redirects = || context.topology.iter().flat_map(|topology| &topology.redirects);
    for (_, entry) in context.entries() {
        if (entry.direction, entry.effect) != (Direction::Egress, Effect::Allow) {
            continue;
        }
        for (name, redirect) in redirects() {
            let RedirectFrontend::Address(address) = redirect.frontend else { continue };
            let Some(peer) = peer_of(entry, address) else { continue };
            if !redirect.ports.iter().any(|led| covers(entry, led.protocol, led.port.get())) {
                continue;
            }
            let message = format!(
                "pods of the node are redirected from {address} before policies apply, by the local redirect policy {name}"
            );
            let labels: Vec<String> =
                redirect.selects.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            let help = format!(
                "allow the pods that answer, at their own port: those of {} with `{}`",
                name.namespace,
                labels.join(", ")
            );
            let place = context.place(entry, peer.position);
            warnings.push(Diagnostic::warning(place, "redirected-address", message).help(help));
        }
    }
    warnings
}

/// The peer of an entry that is this address and no other.
fn peer_of(entry: &RuleEntry, address: IpAddr) -> Option<&Peer> {
    let Peers::OneOf(peers) = &entry.peers else { return None };
    peers.iter().find(|peer| match &peer.matcher {
        PeerMatcher::Cidr { within, .. } => within.contains(&IpNet::from(address)),
        _ => false,
    })
}

/// Whether an entry is about a port.
fn covers(entry: &RuleEntry, protocol: Protocol, port: u16) -> bool {
    match &entry.ports {
        Ports::All => true,
        Ports::OneOf(rules) => rules.iter().any(|rule| match &rule.matcher {
            PortMatcher::Range { protocol: own, first, last } => {
                own.is_none_or(|own| own == protocol) && (*first..=*last).contains(&port)
            }
            _ => false,
        }),
    }
}
