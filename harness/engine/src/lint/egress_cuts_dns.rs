//! An egress policy for clients that resolve names, without a rule that allows the DNS server.

use std::collections::BTreeMap;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::PolicyKind;
use verdikt_scenario::topology::{DNS_NAMESPACE, DNS_PORT, Endpoint, NAMESPACE_NAME_LABEL, Protocol};

use super::{LintContext, listed};
use crate::decide::{DecisionKind, Traffic};
use crate::identity::Identity;
use crate::rule::{Direction, Effect, Entity, PeerMatcher, Peers, PortMatcher, Ports, RuleEntry};

/// The code of these warnings.
pub const CODE: &str = "egress-cuts-dns";

/// A DNS server of the cluster: one behind its service, with the port that policies see.
struct DnsServer<'a> {
    endpoint: Endpoint,
    identity: &'a Identity,
    port: u16,
}

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let servers = servers(context);
    if servers.is_empty() {
        return Vec::new();
    }
    if context.topology.is_some() { by_endpoint(context, &servers) } else { by_object(context, &servers) }
}

fn servers<'a>(context: &LintContext<'a>) -> Vec<DnsServer<'a>> {
    let behind = context.model.topology.dns_servers(Protocol::Udp).into_iter();
    let servers = behind.filter_map(|(endpoint, port)| {
        let identity = &context.model.subjects.get(&endpoint)?.identity;
        Some(DnsServer { endpoint, identity, port: port?.get() })
    });
    servers.collect()
}

/// What to do, in the terms of the policy's kind.
fn help(context: &LintContext<'_>, entry: &RuleEntry, servers: &[DnsServer<'_>]) -> String {
    let port = servers.first().map_or(DNS_PORT, |server| server.port);
    let peer = match context.model.objects[entry.origin.object].kind() {
        Some(PolicyKind::NetworkPolicy) => format!(
            "`podSelector: {{matchLabels: {{k8s-app: kube-dns}}}}` with `namespaceSelector: {{matchLabels: \
             {{{NAMESPACE_NAME_LABEL}: {DNS_NAMESPACE}}}}}`"
        ),
        _ => format!("k8s-app: kube-dns in the namespace {DNS_NAMESPACE}"),
    };
    format!(
        "allow port {port}, UDP and TCP, to {peer}, in the same object so that both come into force at once"
    )
}

/// Whether an entry isolates and allows something that is usually found by a name of the cluster or the world.
/// Another warning is about `toFQDNs`; addresses, nodes and the API server are found without DNS.
fn needs_names(entry: &RuleEntry) -> bool {
    let by_name = |matcher: &PeerMatcher| match matcher {
        PeerMatcher::Selector(_) => true,
        PeerMatcher::Entity(entity) => {
            matches!(
                entity,
                Entity::All | Entity::World | Entity::WorldIpv4 | Entity::WorldIpv6 | Entity::Cluster
            )
        }
        PeerMatcher::Cidr { within, .. } => within.iter().any(|prefix| prefix.prefix_len() == 0),
        PeerMatcher::CidrGroups { .. } | PeerMatcher::Name(_) => false,
    };
    let peers = match &entry.peers {
        Peers::Any => true,
        Peers::OneOf(peers) => peers.iter().any(|peer| by_name(&peer.matcher)),
    };
    let ports = match &entry.ports {
        Ports::All => true,
        Ports::OneOf(ports) => ports.iter().any(|port| !matches!(port.matcher, PortMatcher::Icmp { .. })),
    };
    let allows = (entry.effect, entry.direction) == (Effect::Allow, Direction::Egress);
    allows && entry.isolates && peers && ports
}

/// Whether an entry may be how names are resolved: it reaches the cluster's DNS server on all ports, or allows port
/// 53 of any peer, which may be another DNS server.
fn may_resolve(entry: &RuleEntry, servers: &[DnsServer<'_>]) -> bool {
    if (entry.effect, entry.direction) != (Effect::Allow, Direction::Egress)
        || matches!(&entry.peers, Peers::OneOf(peers) if peers.is_empty())
    {
        return false;
    }
    let reaches = |server: &DnsServer<'_>| entry.gap.is_some() || entry.peers.contain(server.identity);
    match &entry.ports {
        Ports::All => servers.iter().any(reaches),
        Ports::OneOf(ports) => ports.iter().any(|port| match port.matcher {
            PortMatcher::Range { first, last, .. } => {
                (first..=last).contains(&DNS_PORT) && last - first < u16::MAX
                    || servers.iter().any(|server| (first..=last).contains(&server.port) && reaches(server))
            }
            PortMatcher::Name { .. } => servers.iter().any(reaches),
            PortMatcher::Icmp { .. } => false,
        }),
    }
}

fn by_endpoint(context: &LintContext<'_>, servers: &[DnsServer<'_>]) -> Vec<Diagnostic> {
    // The endpoints cut off by each object, and its first entry that needs names.
    let mut cut: BTreeMap<usize, ((usize, usize), Vec<&Endpoint>)> = BTreeMap::new();
    for (endpoint, subject) in &context.model.subjects {
        let resolves = matches!(endpoint, Endpoint::Pod(name) if name.namespace.as_str() != DNS_NAMESPACE);
        let entries = || subject.egress.entries.iter().map(|index| (*index, context.model.entry(*index)));
        if !resolves || entries().any(|(_, entry)| may_resolve(entry, servers)) {
            continue;
        }
        // An explicit deny is intended.
        let unallowed = servers.iter().all(|server| {
            [Protocol::Udp, Protocol::Tcp].iter().all(|protocol| {
                let traffic = Traffic::Port(*protocol, server.port);
                let (egress, _) = context.model.sides(endpoint, &server.endpoint, traffic);
                egress == Some(DecisionKind::NoRuleAllows)
            })
        });
        if !unallowed {
            continue;
        }
        for (index, entry) in entries().filter(|(_, entry)| needs_names(entry)) {
            let (_, endpoints) = cut.entry(entry.origin.object).or_insert((index, Vec::new()));
            if endpoints.last() != Some(&endpoint) {
                endpoints.push(endpoint);
            }
        }
    }
    let warning = |(index, endpoints): ((usize, usize), Vec<&Endpoint>)| {
        let entry = context.model.entry(index);
        let message =
            format!("no rule lets {} ask the cluster's DNS server, so no name resolves", listed(&endpoints));
        let place = context.place(entry, entry.origin.position);
        Diagnostic::warning(place, CODE, message).help(help(context, entry, servers))
    };
    cut.into_values().map(warning).collect()
}

/// Without a topology: no rule that may select the same endpoints can allow them to resolve names.
fn by_object(context: &LintContext<'_>, servers: &[DnsServer<'_>]) -> Vec<Diagnostic> {
    let mut warnings: BTreeMap<usize, Diagnostic> = BTreeMap::new();
    for rule in context.model.rules.iter() {
        let Some(entry) = rule.entries.iter().find(|entry| needs_names(entry)) else { continue };
        let mut others = context.model.rules.iter().filter(|other| context.may_share_endpoints(rule, other));
        if others.any(|other| other.entries.iter().any(|entry| may_resolve(entry, servers))) {
            continue;
        }
        let message = format!("{} isolates at egress, and no policy here allows DNS", context.name(entry));
        let place = context.place(entry, entry.origin.position);
        let warning = Diagnostic::warning(place, CODE, message).help(help(context, entry, servers));
        warnings.entry(entry.origin.object).or_insert(warning);
    }
    warnings.into_values().collect()
}
