//! Policies that isolate the cluster's DNS server and do not allow queries.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::topology::{DNS_POD, DNS_PORT, Endpoint, Protocol};

use super::LintContext;
use crate::decide::Traffic;
use crate::rule::{Direction, Effect};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let Ok(server) = DNS_POD.parse().map(Endpoint::Pod) else { return Vec::new() };
    let Some(state) = context.model.subjects.get(&server) else { return Vec::new() };
    // A topology with more details of its DNS server may have it listen elsewhere.
    let is_described =
        context.topology.is_some_and(|topology| topology.pods.keys().any(|pod| pod.to_string() == DNS_POD));
    let side = &state.ingress;
    if is_described || !side.isolated {
        return Vec::new();
    }
    let entries = || side.entries.iter().map(|index| context.model.entry(*index));
    let admits = entries().filter(|entry| entry.effect == Effect::Allow).any(|entry| {
        [Protocol::Udp, Protocol::Tcp].iter().any(|protocol| {
            let traffic = Traffic::Port(*protocol, DNS_PORT);
            entry.ports.matching(traffic, &state.identity, context.model, Direction::Ingress).next().is_some()
        })
    });
    let Some(first) = entries().find(|entry| entry.isolates).filter(|_| !admits) else { return Vec::new() };
    let message = "this isolates the cluster's DNS server too, and no policy here allows queries to it: no name resolves";
    let help = "exclude the namespace kube-system, or allow port 53, UDP and TCP, to k8s-app: kube-dns from everywhere";
    let place = context.place(first, first.origin.position);
    vec![Diagnostic::warning(place, "isolates-dns", message).help(help)]
}
