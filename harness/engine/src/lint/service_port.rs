//! A service's port where the container's is meant: policies see traffic after the service's address is translated.

use std::collections::BTreeSet;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::topology::{Endpoint, TargetPort, Topology};

use super::Ground;
use crate::decide::Traffic;
use crate::rule::{Direction, Entry, PortMatcher, Ports, Rule};

pub(super) fn lint(ground: &Ground<'_>) -> Vec<Diagnostic> {
    let Some(topology) = ground.topology else { return Vec::new() };
    ground.entries().flat_map(|(rule, entry)| of_entry(ground, topology, rule, entry)).collect()
}

/// The pods at the receiving end of an entry's traffic.
fn destinations(ground: &Ground<'_>, rule: &Rule, entry: &Entry) -> BTreeSet<Endpoint> {
    let endpoints: Vec<&Endpoint> = match entry.direction {
        Direction::Ingress => ground.selected(rule),
        Direction::Egress => {
            let peers = ground.cluster.subjects.iter();
            peers
                .filter(|(_, peer)| entry.peers.contain(&peer.identity))
                .map(|(endpoint, _)| endpoint)
                .collect()
        }
    };
    endpoints.into_iter().filter(|endpoint| matches!(endpoint, Endpoint::Pod(_))).cloned().collect()
}

fn of_entry(ground: &Ground<'_>, topology: &Topology, rule: &Rule, entry: &Entry) -> Vec<Diagnostic> {
    let Ports::OneOf(ports) = &entry.ports else { return Vec::new() };
    let destinations = destinations(ground, rule, entry);
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
                let TargetPort::Number(target) = offered.target else { continue };
                let identity = ground.cluster.subjects.get(backend).map(|subject| &subject.identity);
                let traffic = Traffic::Port(offered.protocol, target.get());
                let covered = identity.is_some_and(|identity| {
                    entry.ports.matching(traffic, identity, ground.cluster, entry.direction).next().is_some()
                });
                if !covered && target != offered.port {
                    let message =
                        format!("port {first} is that of the service {name}; its pods listen on {target}");
                    let warning =
                        Diagnostic::warning(ground.place(entry, port.position), "service-port", message);
                    warnings.push(warning.help(format!("policies see the pod's port: write \"{target}\"")));
                }
            }
        }
    }
    warnings
}
