//! Port 443 of the API server, which is the port of its service: policies see the port behind it.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#entities-based>

use std::collections::BTreeSet;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::topology::{Protocol, TargetPort, Topology};

use super::LintContext;
use crate::rule::{Direction, Effect, Entity, PeerMatcher, Peers, PortMatcher, PortRule, Ports, RuleEntry};

const CODE: &str = "api-server-port";

/// The port of the service `default/kubernetes`.
const SERVICE_PORT: u16 = 443;
/// The port on which API servers listen by default.
/// <https://kubernetes.io/docs/reference/networking/ports-and-protocols/>
const USUAL: u16 = 6443;

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let known = context.topology.map(ports_of_api_servers).unwrap_or_default();
    let mut warnings = Vec::new();
    for rule in context.model.rules.iter() {
        let entries = rule.entries.iter().filter(|entry| is_towards_api_server(entry));
        let admitted = |port: u16| entries.clone().any(|entry| ports(entry).any(|rule| covers(rule, port)));
        // An author who lists several ports knows that they differ.
        let others = if known.is_empty() { BTreeSet::from([USUAL]) } else { known.clone() };
        if known.contains(&SERVICE_PORT) || others.iter().any(|port| admitted(*port)) {
            continue;
        }
        for (entry, port) in entries.clone().flat_map(|entry| ports(entry).map(move |port| (entry, port))) {
            if is_exactly(port, SERVICE_PORT) {
                warnings.push(warning(context, entry, port, &known));
            }
        }
    }
    warnings
}

fn warning(
    context: &LintContext<'_>,
    entry: &RuleEntry,
    port: &PortRule,
    known: &BTreeSet<u16>,
) -> Diagnostic {
    let place = context.place(entry, port.position);
    let listed: Vec<String> = known.iter().map(u16::to_string).collect();
    if known.is_empty() {
        let message =
            "443 is the port of the API server's service; policies see the port of the API server itself";
        let help = "write the port of its endpoints, mostly 6443: `kubectl get endpointslices -n default`";
        return Diagnostic::hint(place, CODE, message).help(help);
    }
    let message = format!(
        "443 is the port of the API server's service; policies see the port of the API server itself, {}",
        listed.join(" or ")
    );
    Diagnostic::warning(place, CODE, message).help(format!("write \"{}\"", listed.join("\" and \"")))
}

fn is_towards_api_server(entry: &RuleEntry) -> bool {
    let entity = |matcher: &PeerMatcher| *matcher == PeerMatcher::Entity(Entity::KubeApiserver);
    let peers = match &entry.peers {
        Peers::Any => false,
        Peers::OneOf(peers) => !peers.is_empty() && peers.iter().all(|peer| entity(&peer.matcher)),
    };
    (entry.direction, entry.effect) == (Direction::Egress, Effect::Allow) && peers
}

fn ports(entry: &RuleEntry) -> impl Iterator<Item = &PortRule> {
    let rules = match &entry.ports {
        Ports::All => &[][..],
        Ports::OneOf(rules) => rules,
    };
    rules.iter()
}

fn is_exactly(rule: &PortRule, port: u16) -> bool {
    matches!(rule.matcher, PortMatcher::Range { first, last, .. } if first == port && last == port)
}

fn covers(rule: &PortRule, port: u16) -> bool {
    matches!(rule.matcher, PortMatcher::Range { first, last, .. } if (first..=last).contains(&port))
}

/// The ports on which the API servers of a topology listen, as far as it says.
fn ports_of_api_servers(topology: &Topology) -> BTreeSet<u16> {
    let nodes = topology.nodes.values().filter(|node| node.api_server).flat_map(|node| &node.serves);
    let served =
        nodes.filter(|served| served.protocol.answers(Protocol::Tcp)).map(|served| served.port.get());
    let service = topology
        .services
        .iter()
        .find(|(name, _)| (name.namespace.as_str(), name.name.as_str()) == ("default", "kubernetes"));
    let behind =
        service.into_iter().flat_map(|(_, service)| &service.ports).filter_map(|port| match &port.target {
            TargetPort::Number(number) => Some(number.get()),
            TargetPort::Name(_) => None,
        });
    served.chain(behind).collect()
}
