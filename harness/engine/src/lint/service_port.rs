//! A service's port in place of the container's: policies see traffic after the service's address is translated.

use std::collections::BTreeSet;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::topology::{Endpoint, ServicePort, TargetPort, Topology};

use super::LintContext;
use crate::decide::Traffic;
use crate::identity::Identity;
use crate::rule::{Direction, PeerMatcher, Peers, PortMatcher, Ports, Rule, RuleEntry};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let Some(topology) = context.topology else { return Vec::new() };
    context.entries().flat_map(|(rule, entry)| of_entry(context, topology, rule, entry)).collect()
}

/// The pods at the receiving end of an entry's traffic.
fn destinations(context: &LintContext<'_>, rule: &Rule, entry: &RuleEntry) -> BTreeSet<Endpoint> {
    let endpoints: Vec<&Endpoint> = match entry.direction {
        Direction::Ingress => context.selected(rule),
        Direction::Egress => {
            let peers = context.model.subjects.iter();
            // An author who names no pods may mean the port of another endpoint.
            let Peers::OneOf(wanted) = &entry.peers else { return BTreeSet::new() };
            let pods = || wanted.iter().filter(|peer| matches!(peer.matcher, PeerMatcher::Selector(_)));
            peers
                .filter(|(_, peer)| pods().any(|wanted| wanted.matches(&peer.identity)))
                .map(|(endpoint, _)| endpoint)
                .collect()
        }
    };
    endpoints.into_iter().filter(|endpoint| matches!(endpoint, Endpoint::Pod(_))).cloned().collect()
}

fn of_entry(
    context: &LintContext<'_>,
    topology: &Topology,
    rule: &Rule,
    entry: &RuleEntry,
) -> Vec<Diagnostic> {
    let Ports::OneOf(ports) = &entry.ports else { return Vec::new() };
    let destinations = destinations(context, rule, entry);
    let mut warnings = Vec::new();
    for port in ports {
        let PortMatcher::Range { first, last, .. } = port.matcher else { continue };
        if first != last
            || destinations.iter().any(|pod| topology.serves(pod).iter().any(|s| s.port.get() == first))
        {
            continue;
        }
        for (name, service) in &topology.services {
            let backends = topology.backends(name);
            let Some(backend) = backends.iter().find(|backend| destinations.contains(backend)) else {
                continue;
            };
            for offered in service.ports.iter().filter(|offered| offered.port.get() == first) {
                let Some(subject) = context.model.subjects.get(backend) else { continue };
                let Some(target) = container_port(offered, &subject.identity) else { continue };
                let traffic = Traffic::Port(offered.protocol, target);
                let covers = |other: &RuleEntry| {
                    let mut ports =
                        other.ports.matching(traffic, &subject.identity, context.model, other.direction);
                    let peers =
                        other.direction == Direction::Ingress || other.peers.contain(&subject.identity);
                    (other.direction, other.effect) == (entry.direction, entry.effect)
                        && peers
                        && ports.next().is_some()
                };
                if !rule.entries.iter().any(covers) && target != offered.port.get() {
                    let message =
                        format!("port {first} is that of the service {name}; its pods listen on {target}");
                    let warning =
                        Diagnostic::warning(context.place(entry, port.position), "service-port", message);
                    warnings.push(warning.help(format!("policies see the pod's port: write \"{target}\"")));
                }
            }
        }
    }
    warnings
}

/// The port of a pod behind a service's port.
fn container_port(offered: &ServicePort, pod: &Identity) -> Option<u16> {
    match &offered.target {
        TargetPort::Number(port) => Some(port.get()),
        TargetPort::Name(name) => {
            let mut named = pod.port_names.iter();
            named
                .find(|named| named.name == name.as_str() && named.protocol == offered.protocol)
                .map(|named| named.port)
        }
    }
}
