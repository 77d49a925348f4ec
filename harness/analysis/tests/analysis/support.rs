//! Small situations: a topology with all kinds of ends, and policies of all kinds for it.

use std::sync::Arc;

use proptest::prelude::*;
use verdikt_scenario::document;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::topology::{Node, Pod, Served, ServedProtocol, Topology, WorldHost};

fn served(protocol: ServedProtocol, port: u16, name: &str) -> Served {
    Served { protocol, port: port.try_into().unwrap(), name: name.parse().ok() }
}

/// Pods of which two share an identity, and two a port name with different numbers.
pub(crate) fn topology() -> Topology {
    let mut topology = Topology::default();
    for namespace in ["a", "b"] {
        let labels = [("team".to_owned(), namespace.to_owned())].into();
        topology.namespaces.insert(namespace.parse().unwrap(), labels);
    }
    for (name, app, http) in [
        ("a/web", "web", 8080),
        ("a/web-2", "web", 8080),
        ("a/db", "db", 80),
        ("b/web", "web", 90),
        ("b/job", "job", 0),
    ] {
        let labels = [("app".to_owned(), app.to_owned())].into();
        let serves = if http == 0 { Vec::new() } else { vec![served(ServedProtocol::Http, http, "web")] };
        topology.pods.insert(name.parse().unwrap(), Pod { labels, serves, ..Pod::default() });
    }
    let host = WorldHost {
        address: "203.0.113.10".parse().unwrap(),
        names: [].into(),
        aliases: [].into(),
        api_server: false,
        serves: Vec::new(),
    };
    topology.world.insert("client".parse().unwrap(), host);
    topology.nodes.insert("host".parse().unwrap(), Node::default());
    topology.nodes.insert("other".parse().unwrap(), Node::default());
    topology
}

/// Each text as a manifest in a file of its own.
pub(crate) fn manifests(texts: &[String]) -> Vec<Manifest> {
    let manifest = |(index, text): (usize, &String)| {
        let root = document::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).remove(0);
        Manifest { file: Arc::from(format!("{index}.yaml")), root }
    };
    texts.iter().enumerate().map(manifest).collect()
}

fn selector() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        "(web|db|job)".prop_map(|app| format!("{{matchLabels: {{app: {app}}}}}")),
        "(a|b)".prop_map(|ns| format!("{{matchLabels: {{k8s:io.kubernetes.pod.namespace: {ns}}}}}")),
        "(web|db)".prop_map(|app| {
            format!("{{matchExpressions: [{{key: app, operator: NotIn, values: [{app}]}}]}}")
        }),
        "(Exists|DoesNotExist)"
            .prop_map(|operator| format!("{{matchExpressions: [{{key: app, operator: {operator}}}]}}")),
    ]
}

fn peers(word: &'static str) -> impl Strategy<Value = String> {
    let names = if word == "to" {
        "toFQDNs: [{matchName: api.example.test}, {matchPattern: '*.example.com'}]"
    } else {
        "fromEntities: [remote-node]"
    };
    prop_oneof![
        2 => Just(String::new()),
        4 => proptest::collection::vec(selector(), 0..3)
            .prop_map(move |s| format!("{word}Endpoints: [{}]", s.join(", "))),
        2 => "(all|world|cluster|host|none)".prop_map(move |entity| format!("{word}Entities: [{entity}]")),
        1 => "(203\\.0\\.113\\.0/24|10\\.0\\.0\\.0/8|0\\.0\\.0\\.0/0)"
            .prop_map(move |cidr| format!("{word}CIDR: [{cidr}]")),
        1 => Just(format!("{word}CIDRSet: [{{cidr: 203.0.0.0/8, except: [203.0.113.0/28]}}]")),
        1 => Just(names.to_owned()),
    ]
}

fn ports() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        3 => ("(80|443|0|8080|1|65535)", "(TCP|UDP|ANY)").prop_map(|(port, protocol)| format!(
            "toPorts: [{{ports: [{{port: \"{port}\", protocol: {protocol}}}]}}]"
        )),
        2 => (1_u16..35, 1_u16..60).prop_map(|(first, more)| format!(
            "toPorts: [{{ports: [{{port: \"{first}\", endPort: {}, protocol: TCP}}]}}]", first + more
        )),
        1 => "(TCP|UDP|ANY)"
            .prop_map(|protocol| format!("toPorts: [{{ports: [{{port: web, protocol: {protocol}}}]}}]")),
        1 => "(GET|POST)".prop_map(|method| format!(
            "toPorts: [{{ports: [{{port: \"80\", protocol: TCP}}], rules: {{http: [{{method: {method}}}]}}}}]"
        )),
        1 => Just("icmps: [{fields: [{type: 8, family: IPv4}]}]".to_owned()),
    ]
}

fn item(word: &'static str) -> impl Strategy<Value = String> {
    (peers(word), ports()).prop_map(|(peers, ports)| {
        let parts: Vec<String> = [peers, ports].into_iter().filter(|part| !part.is_empty()).collect();
        format!("{{{}}}", parts.join(", "))
    })
}

/// A policy with one list: `ingress`, `ingressDeny`, `egress` or `egressDeny`.
fn policy(section: &'static str) -> impl Strategy<Value = String> {
    let word = if section.starts_with("ingress") { "from" } else { "to" };
    let isolation = prop_oneof![
        4 => Just(String::new()),
        1 => Just("enableDefaultDeny: {ingress: false, egress: false}, ".to_owned()),
    ];
    (selector(), proptest::collection::vec(item(word), 1..3), "(a|b|)", isolation).prop_map(
        move |(subject, items, namespace, isolation)| {
            let (kind, namespace) = match namespace.as_str() {
                "" => ("CiliumClusterwideNetworkPolicy", String::new()),
                namespace => ("CiliumNetworkPolicy", format!(", namespace: {namespace}")),
            };
            let items = items.join(", ");
            format!(
                "{{apiVersion: cilium.io/v2, kind: {kind}, metadata: {{name: p{namespace}}}, \
                 spec: {{{isolation}endpointSelector: {subject}, {section}: [{items}]}}}}"
            )
        },
    )
}

fn kubernetes_policy() -> impl Strategy<Value = String> {
    let port = prop_oneof![
        Just(String::new()),
        Just("ports: [{port: web}]".to_owned()),
        Just("ports: [{port: 20, endPort: 30}]".to_owned()),
    ];
    let from = prop_oneof![
        Just(String::new()),
        Just("from: [{podSelector: {matchLabels: {app: web}}}]".to_owned()),
        Just("from: [{namespaceSelector: {matchLabels: {team: b}}}]".to_owned()),
        Just("from: [{ipBlock: {cidr: 203.0.113.0/24}}]".to_owned()),
    ];
    ("(a|b)", from, port).prop_map(|(namespace, from, port)| {
        let parts: Vec<String> = [from, port].into_iter().filter(|part| !part.is_empty()).collect();
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: k, namespace: {namespace}}}, \
             spec: {{podSelector: {{}}, policyTypes: [Ingress], ingress: [{{{}}}]}}}}",
            parts.join(", ")
        )
    })
}

/// Up to so many policies.
pub(crate) fn policies(most: usize) -> impl Strategy<Value = Vec<String>> {
    let any = prop_oneof![
        3 => policy("ingress"),
        1 => policy("ingressDeny"),
        3 => policy("egress"),
        1 => policy("egressDeny"),
        1 => kubernetes_policy(),
    ];
    proptest::collection::vec(any, 0..=most)
}
