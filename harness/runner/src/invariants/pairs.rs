//! The attempts by which an invariant can be tested: the pairs that it is about, on ports that are served.

use std::collections::BTreeSet;

use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::invariant::{EndPattern, Invariant};
use verdikt_scenario::scenario::Step;
use verdikt_scenario::topology::{DNS_PORT, Endpoint, Port, Protocol, Topology};

/// One attempt that an invariant is about.
pub(super) type Pair = (Endpoint, Attempt);

/// The attempts that tell whether an invariant holds at a step, in their order.
pub(super) fn pairs(invariant: &Invariant, step: &Step) -> BTreeSet<Pair> {
    let topology = &step.topology;
    let sources = || step.sources.iter().filter(|source| invariant.from.contain(source, topology));
    let mut pairs = BTreeSet::new();
    for (destination, protocol, port) in served(invariant, topology) {
        for source in sources().filter(|source| **source != destination) {
            if can_be_decided(source, topology) || can_be_decided(&destination, topology) {
                let target = Target::Endpoint(destination.clone());
                pairs.insert((source.clone(), Attempt::Connect { protocol, target, port }));
            }
        }
    }
    pairs
}

/// The ports that the destinations of an invariant serve, and that it is about.
fn served(invariant: &Invariant, topology: &Topology) -> Vec<(Endpoint, Protocol, Port)> {
    let is_wanted = |protocol: Protocol, port: Port| match (&invariant.to, invariant.ports.as_slice()) {
        (EndPattern::Dns, []) => protocol == Protocol::Udp && is_dns_port(topology, port),
        (_, []) => true,
        (_, ports) => ports
            .iter()
            .any(|span| span.protocol == protocol && (span.first..=span.last).contains(&port.get())),
    };
    let mut found = Vec::new();
    let all = topology.sources().into_iter();
    for endpoint in all.filter(|endpoint| invariant.to.contain(endpoint, topology)) {
        for served in topology.serves(&endpoint) {
            // The engine alone judges SCTP.
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                if served.protocol.answers(protocol) && is_wanted(protocol, served.port) {
                    found.push((endpoint.clone(), protocol, served.port));
                }
            }
        }
    }
    found
}

fn is_dns_port(topology: &Topology, port: Port) -> bool {
    let servers = topology.dns_servers(Protocol::Udp).into_iter();
    servers.map(|(_, port)| port.map_or(DNS_PORT, Port::get)).any(|known| known == port.get())
}

/// Whether a policy may select an endpoint; between two endpoints that no policy can select, none decides.
fn can_be_decided(endpoint: &Endpoint, topology: &Topology) -> bool {
    match endpoint {
        Endpoint::Pod(_) => topology.node_of(endpoint).is_none(),
        Endpoint::Cilium(_) => true,
        Endpoint::World(_) | Endpoint::Node(_) => false,
    }
}
