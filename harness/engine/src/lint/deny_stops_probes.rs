//! A deny that includes the node itself: kubelet's probes come from there.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#deny-policies>

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::topology::{Endpoint, LOCAL_NODE, Node, Protocol, Topology};

use super::LintContext;
use crate::identity::Identity;
use crate::rule::{Direction, Effect, Entity, PeerMatcher, Peers, PortMatcher, Ports, Rule, RuleEntry};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let host = Identity::node(LOCAL_NODE, &Node::default());
    let mut warnings = Vec::new();
    for (rule, entry) in context.entries() {
        let denies = (entry.direction, entry.effect) == (Direction::Ingress, Effect::Deny);
        if !denies || !entry.peers.contain(&host) || names_host(entry) || !takes_probes(context, rule, entry)
        {
            continue;
        }
        let message = "this also denies kubelet's probes: it includes `host`, and a deny overrides what the node may \
                       do otherwise";
        let help = "deny pods, `remote-node` and `world` if kubelet is to reach them";
        let place = context.place(entry, entry.origin.position);
        warnings.push(Diagnostic::warning(place, "deny-stops-probes", message).help(help));
    }
    warnings
}

/// Whether an entry says that it means the node, or everything.
fn names_host(entry: &RuleEntry) -> bool {
    match &entry.peers {
        Peers::Any => entry.ports == Ports::All,
        Peers::OneOf(peers) => peers.iter().any(|peer| match &peer.matcher {
            PeerMatcher::Entity(Entity::Host) => true,
            PeerMatcher::Entity(Entity::All) => entry.ports == Ports::All,
            PeerMatcher::Selector(selector) => selector.has_key(|requirement| requirement.key == "host"),
            _ => false,
        }),
    }
}

/// Whether probes may go where an entry denies: to any port, or to one that the topology serves.
fn takes_probes(context: &LintContext<'_>, rule: &Rule, entry: &RuleEntry) -> bool {
    let Ports::OneOf(ports) = &entry.ports else { return true };
    let Some(topology) = context.topology else { return false };
    let selected = context.selected(rule);
    ports.iter().any(|port| selected.iter().any(|pod| serves(topology, pod, &port.matcher)))
}

fn serves(topology: &Topology, pod: &Endpoint, matcher: &PortMatcher) -> bool {
    let PortMatcher::Range { first, last, .. } = matcher else { return false };
    let mut served = topology.serves(pod).iter().filter(|served| served.protocol.answers(Protocol::Tcp));
    served.any(|served| (*first..=*last).contains(&served.port.get()))
}
