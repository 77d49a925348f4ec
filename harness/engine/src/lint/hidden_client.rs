//! A service that hosts outside reach through any node, where policies decide differently about the node and the
//! host.
//!
//! <https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/#client-source-ip-preservation>

use verdikt_scenario::attempt::Target;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{Endpoint, LOCAL_NODE, ServicePort, Topology};

use super::LintContext;
use crate::decide::{Matches, Traffic};
use crate::rule::Direction;

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let Some(topology) = context.topology else { return Vec::new() };
    let open = topology.services.iter().filter(|(_, service)| service.hides_clients());
    open.filter_map(|(name, service)| {
        service.ports.iter().find_map(|port| of_port(context, topology, name, port))
    })
    .collect()
}

/// The first host outside whose connections to a port of a service are decided differently through a node.
fn of_port(
    context: &LintContext<'_>,
    topology: &Topology,
    service: &NamespacedName,
    port: &ServicePort,
) -> Option<Diagnostic> {
    let model = context.model;
    let target = Target::Service(service.clone());
    for (backend, own) in topology.behind(service, port.protocol, port.port) {
        let (Some(own), Some(subject)) = (own, model.subjects.get(&backend)) else { continue };
        let traffic = Traffic::Port(port.protocol, own.get());
        if !subject.is_managed {
            continue;
        }
        for host in topology.world.keys().cloned().map(Endpoint::World) {
            let relay = target.relay(&host, topology).map(Endpoint::Node);
            let (Some(relay), Some(client)) = (relay, model.subjects.get(&host)) else { continue };
            let Some(node) = model.subjects.get(&relay) else { continue };
            let node = model.seen_of(node);
            let [direct, relayed] = [&client.identity, &node]
                .map(|peer| model.decide(subject, Direction::Ingress, peer, traffic));
            if direct.kind.denies() == relayed.kind.denies() {
                continue;
            }
            // They differ by a rule that matches one of them and not the other.
            let rules = [&direct, &relayed].map(|matches| matches.denied.iter().chain(&matches.allowed));
            let Some(rule) = rules.into_iter().flatten().next() else { continue };
            let place = context.place(rule.entry, rule.entry.origin.position);
            let says = |matches: &Matches<'_>| if matches.kind.denies() { "denied" } else { "allowed" };
            let message = format!(
                "{host} is {} at {backend} as itself, and {} where it reaches {service} over {relay}, whose address \
                 hides it (externalTrafficPolicy Cluster)",
                says(&direct),
                says(&relayed),
            );
            let help = format!(
                "give {service} `externalTrafficPolicy: Local`, or expect both ways: `{} {service}:{} over {LOCAL_NODE}`",
                port.protocol, port.port,
            );
            return Some(Diagnostic::warning(place, "hidden-client", message).help(help));
        }
    }
    None
}
