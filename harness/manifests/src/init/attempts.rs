//! Suggests attempts: from the ports of services and containers, and from policies.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::loader::parse_attempt;
use verdikt_scenario::name::{NamespaceName, NamespacedName};
use verdikt_scenario::place::Place;
use verdikt_scenario::topology::{
    DNS_SERVICE, Endpoint, LOCAL_NODE, Protocol, Served, ServedProtocol, Topology,
};

use super::outside::{ELSEWHERE, ELSEWHERE_NAME, HostRole, OutsideHosts, example};
use super::policies::{Clause, PolicyPort};
use crate::Situation;

/// An attempt with its origin.
#[derive(Clone, Debug)]
pub(super) struct Suggested {
    pub(super) attempt: Attempt,
    pub(super) comment: String,
    /// The namespace of its target.
    pub(super) namespace: Option<NamespaceName>,
}

/// The largest number of requests that are suggested for a port with HTTP rules.
const MOST_REQUESTS: usize = 4;

/// A path that probably no HTTP rule mentions.
const OTHER_PATH: &str = "/elsewhere";

/// Makes pods serve HTTP on ports with HTTP rules. Returns what these pods serve.
pub(super) fn serve_http(
    topology: &mut Topology,
    clauses: &[Clause],
) -> BTreeMap<NamespacedName, Vec<Served>> {
    let mut changed = BTreeMap::new();
    for clause in clauses.iter().filter(|clause| clause.is_ingress && !clause.http.is_empty()) {
        for (name, pod) in &mut topology.pods {
            if !is_in(clause, name) {
                continue;
            }
            let mut any = false;
            for served in pod.serves.iter_mut().filter(|served| served.protocol == ServedProtocol::Tcp) {
                if clause.ports.iter().any(|port| is_port(port, served)) {
                    served.protocol = ServedProtocol::Http;
                    any = true;
                }
            }
            if any {
                changed.insert(name.clone(), pod.serves.clone());
            }
        }
    }
    changed
}

fn is_in(clause: &Clause, name: &NamespacedName) -> bool {
    clause.namespace.as_ref().is_none_or(|namespace| *namespace == name.namespace)
}

fn is_port(port: &PolicyPort, served: &Served) -> bool {
    match port {
        PolicyPort::Number(protocol, number) => served.port == *number && served.protocol.answers(*protocol),
        PolicyPort::Name(name) => served.name.as_ref().is_some_and(|own| own.as_str() == name),
    }
}

/// The suggested attempts, in the order of the table.
pub(super) fn suggest(
    situation: &Situation,
    topology: &Topology,
    clauses: &[Clause],
    outside: &OutsideHosts,
) -> Vec<Suggested> {
    let mut all = Suggestions { topology, seen: BTreeSet::new(), all: Vec::new() };
    let mut covered = BTreeSet::new();
    for (name, service) in &topology.services {
        // Queries have attempts of their own.
        if name.to_string() == DNS_SERVICE {
            continue;
        }
        let comment = at("Service", situation.objects.places.services.get(name));
        for port in &service.ports {
            let text = format!("{} service:{name}:{}", port.protocol, port.port);
            if all.add(&text, &comment, Some(&name.namespace)) {
                let behind = topology.behind(name, port.protocol, port.port);
                covered
                    .extend(behind.into_iter().map(|(endpoint, target)| (endpoint, port.protocol, target)));
            }
        }
    }
    for (name, pod) in &topology.pods {
        let workload = situation.objects.places.workloads.get(name);
        let comment = workload.map_or_else(String::new, |workload| at(&workload.kind, Some(&workload.place)));
        for served in &pod.serves {
            let protocol = transport(served.protocol);
            if !covered.contains(&(Endpoint::Pod(name.clone()), protocol, Some(served.port))) {
                all.add(&format!("{protocol} pod:{name}:{}", served.port), &comment, Some(&name.namespace));
            }
        }
        for led in &pod.host_ports {
            let text = format!("{} {LOCAL_NODE}:{}", led.protocol, led.port);
            all.add(&text, &format!("hostPort, {comment}"), Some(&name.namespace));
        }
    }
    for clause in clauses.iter().filter(|clause| clause.is_ingress && !clause.http.is_empty()) {
        all.add_requests(clause);
    }
    all.all.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    all.add_routed();
    all.add_outside(clauses, outside);
    all.all
}

fn at(kind: &str, written: Option<&Place>) -> String {
    written.map_or_else(|| kind.to_owned(), |written| format!("{kind}, {}", written.line_of_file()))
}

fn transport(served: ServedProtocol) -> Protocol {
    match served {
        ServedProtocol::Http | ServedProtocol::Https | ServedProtocol::Tcp => Protocol::Tcp,
        ServedProtocol::Udp | ServedProtocol::Dns => Protocol::Udp,
        ServedProtocol::Sctp => Protocol::Sctp,
    }
}

/// The suggestions so far.
struct Suggestions<'a> {
    topology: &'a Topology,
    seen: BTreeSet<Attempt>,
    all: Vec<Suggested>,
}

impl Suggestions<'_> {
    /// Adds an attempt if it can be made and does not exist yet.
    fn add(&mut self, text: &str, comment: &str, namespace: Option<&NamespaceName>) -> bool {
        let Ok(attempt) = parse_attempt(text, self.topology) else { return false };
        if !self.seen.insert(attempt.clone()) {
            return false;
        }
        let (comment, namespace) = (comment.to_owned(), namespace.cloned());
        self.all.push(Suggested { attempt, comment, namespace });
        true
    }

    /// The requests that an HTTP rule mentions, and one that it does not mention.
    fn add_requests(&mut self, clause: &Clause) {
        let topology = self.topology;
        for (name, pod) in topology.pods.iter().filter(|(name, _)| is_in(clause, name)) {
            let is_http = |served: &&Served| {
                served.protocol == ServedProtocol::Http
                    && clause.ports.iter().any(|port| is_port(port, served))
            };
            for served in pod.serves.iter().filter(is_http) {
                let target = format!("pod:{name}:{}", served.port);
                let requests = clause.http.iter().filter_map(|rule| {
                    let path = rule.path.as_deref().map_or(Some("/".to_owned()), literal)?;
                    Some((literal_method(rule.method.as_deref())?, path))
                });
                let other = ("GET".to_owned(), OTHER_PATH.to_owned());
                for (method, path) in requests.take(MOST_REQUESTS).chain([other]) {
                    let text = format!("http {method} {target}{path}");
                    self.add(&text, "from HTTP rules", Some(&name.namespace));
                }
            }
        }
    }

    /// A request for each route of the gateway.
    fn add_routed(&mut self) {
        for route in &self.topology.routes {
            let host = route.host.as_ref().map(|host| format!(" Host={host}")).unwrap_or_default();
            let comment = format!("a route to service {}", route.service);
            self.add(&format!("http GET ingress:80{}{host}", route.prefix), &comment, None);
        }
    }

    fn add_outside(&mut self, clauses: &[Clause], outside: &OutsideHosts) {
        for (name, host) in outside.hosts.iter().filter(|(_, host)| host.role == HostRole::Target) {
            let named = host.outside.names.first().filter(|_| name.as_str() != ELSEWHERE);
            let target = named.map_or_else(|| name.to_string(), ToString::to_string);
            for served in &host.outside.serves {
                self.add(&format!("tcp {target}:{}", served.port), &host.comment, None);
            }
        }
        for (name, node) in &outside.nodes {
            for served in &node.serves {
                self.add(&format!("tcp {name}:{}", served.port), "a node that policies name", None);
            }
        }
        let queries = clauses.iter().flat_map(|clause| clause.queries.iter().chain(&clause.names));
        let queried: Vec<(String, String)> = queries
            .filter_map(|name| Some((example(name)?.0.to_string(), name.place.line_of_file())))
            .collect();
        for (name, comment) in queried {
            // A name that does not resolve has no answer that tells whether the query was allowed.
            if name.parse().is_ok_and(|name| self.topology.resolve(&name).is_some()) {
                self.add(&format!("dns {name}"), &comment, None);
            }
        }
        if clauses.iter().any(|clause| !clause.is_ingress) {
            self.add(&format!("dns {ELSEWHERE_NAME}"), "who can resolve names", None);
        }
    }
}

/// A path that a pattern matches, if the pattern is simple.
fn literal(pattern: &str) -> Option<String> {
    let pattern = pattern.trim_start_matches('^').trim_end_matches('$');
    let path = pattern.strip_suffix(".*").map_or_else(|| pattern.to_owned(), |head| format!("{head}a"));
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/_-".contains(c));
    (path.starts_with('/') && is_plain).then_some(path)
}

fn literal_method(pattern: Option<&str>) -> Option<String> {
    let Some(method) = pattern else { return Some("GET".to_owned()) };
    method.chars().all(|c| c.is_ascii_uppercase()).then(|| method.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_simple_patterns() {
        let check =
            |pattern: &str, path: Option<&str>| assert_eq!(literal(pattern).as_deref(), path, "{pattern}");
        check("/", Some("/"));
        check("/api/v1", Some("/api/v1"));
        check("^/api/.*$", Some("/api/a"));
        check("/.*", Some("/a"));
        check("/(a|b)", None);
        check("api", None);
    }
}
