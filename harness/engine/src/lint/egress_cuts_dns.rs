//! An egress policy that allows something, and not the DNS server by whose names everything is found.

use std::collections::BTreeMap;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::topology::{DNS_NAMESPACE, DNS_POD, Endpoint, Protocol};

use super::{Ground, listed};
use crate::decide::Traffic;
use crate::rule::{Direction, Effect, Entry, Peers, Ports};

const CODE: &str = "egress-cuts-dns";
const HELP: &str = "allow port 53 (protocol ANY) to k8s-app: kube-dns in the namespace kube-system, in the same object \
                    so that both come into force at once";

pub(super) fn lint(ground: &Ground<'_>) -> Vec<Diagnostic> {
    if ground.topology.is_some() { by_endpoint(ground) } else { by_object(ground) }
}

/// Whether an entry allows anything at all.
fn allows_something(entry: &Entry) -> bool {
    let nobody = |peers: &Peers| matches!(peers, Peers::OneOf(peers) if peers.is_empty());
    let nothing = |ports: &Ports| matches!(ports, Ports::OneOf(ports) if ports.is_empty());
    entry.effect == Effect::Allow
        && entry.direction == Direction::Egress
        && !nobody(&entry.peers)
        && !nothing(&entry.ports)
}

fn by_endpoint(ground: &Ground<'_>) -> Vec<Diagnostic> {
    let Ok(server) = DNS_POD.parse().map(Endpoint::Pod) else { return Vec::new() };
    let mut cut: BTreeMap<(usize, usize), Vec<&Endpoint>> = BTreeMap::new();
    for (endpoint, subject) in &ground.cluster.subjects {
        let resolves = matches!(endpoint, Endpoint::Pod(name) if name.namespace.as_str() != DNS_NAMESPACE);
        let entries = || subject.egress.entries.iter().map(|index| (*index, ground.cluster.entry(*index)));
        if !resolves || !entries().any(|(_, entry)| allows_something(entry)) {
            continue;
        }
        let denied = [Protocol::Udp, Protocol::Tcp].iter().all(|protocol| {
            let (egress, _) = ground.cluster.sides(endpoint, &server, Traffic::Port(*protocol, 53));
            egress.is_some_and(crate::decide::SideVerdict::denies)
        });
        if let (true, Some((index, _))) = (denied, entries().find(|(_, entry)| allows_something(entry))) {
            cut.entry(index).or_default().push(endpoint);
        }
    }
    let warning = |(index, endpoints): ((usize, usize), Vec<&Endpoint>)| {
        let entry = ground.cluster.entry(index);
        let message =
            format!("no rule lets {} ask the cluster's DNS server, so no name resolves", listed(&endpoints));
        Diagnostic::warning(ground.place(entry, entry.origin.position), CODE, message).help(HELP)
    };
    cut.into_iter().map(warning).collect()
}

/// Without a topology: no object at all lets anybody ask the DNS server.
fn by_object(ground: &Ground<'_>) -> Vec<Diagnostic> {
    let server = DNS_POD.parse().ok().and_then(|pod| ground.cluster.subjects.get(&Endpoint::Pod(pod)));
    let Some(server) = server.map(|subject| &subject.identity) else { return Vec::new() };
    let may_resolve = |entry: &Entry| {
        let asks = |protocol| {
            let traffic = Traffic::Port(protocol, 53);
            entry.ports.matching(traffic, server, ground.cluster, Direction::Egress).next().is_some()
        };
        allows_something(entry) && entry.peers.contain(server) && (asks(Protocol::Udp) || asks(Protocol::Tcp))
    };
    if ground.entries().any(|(_, entry)| may_resolve(entry)) {
        return Vec::new();
    }
    let mut warnings: BTreeMap<usize, Diagnostic> = BTreeMap::new();
    for (_, entry) in ground.entries().filter(|(_, entry)| allows_something(entry) && entry.isolates) {
        let message = format!("{} isolates at egress, and no policy here allows DNS", ground.name(entry));
        let warning =
            Diagnostic::warning(ground.place(entry, entry.origin.position), CODE, message).help(HELP);
        warnings.entry(entry.origin.object).or_insert(warning);
    }
    warnings.into_values().collect()
}
