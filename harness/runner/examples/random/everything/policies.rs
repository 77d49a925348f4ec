//! Policies of Cilium's kinds, and among them some of the other kinds.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::kubernetes::{self, Surroundings};
use super::settings::DrawnSettings;
use super::tiers;

/// A policy named NAME.
pub(super) fn policy(settings: &DrawnSettings) -> BoxedStrategy<String> {
    let surroundings =
        Surroundings { namespaces: ["a", "b"].map(str::to_owned), client: "198.51.100.2".to_owned() };
    prop_oneof![
        8 => cilium_policy(settings),
        1 => kubernetes::policy(&surroundings),
        5 * u32::from(settings.tiers()) => tiers::policy(settings),
    ]
    .boxed()
}

/// What of the settings matters to rules.
#[derive(Clone, Copy)]
struct Rules {
    /// How often nodes are peers.
    nodes: u32,
    /// How often a port has a protocol that no attempt uses.
    extended: u32,
}

fn cilium_policy(settings: &DrawnSettings) -> BoxedStrategy<String> {
    let rules = Rules {
        nodes: u32::from(settings.nodes_are_peers()),
        extended: u32::from(settings.extended_protocols()),
    };
    let firewall = u32::from(settings.nodes_are_subjects());
    let sections = || {
        let ingress = || section("ingress", rules);
        let egress = || section("egress", rules);
        prop_oneof![
            3 => ingress(),
            3 => egress(),
            2 => (ingress(), egress()).prop_map(|(one, other)| format!("{one}, {other}")),
            1 => (ingress(), section("ingressDeny", rules)).prop_map(|(one, other)| format!("{one}, {other}")),
            1 => (egress(), section("egressDeny", rules)).prop_map(|(one, other)| format!("{one}, {other}")),
        ]
    };
    let isolation =
        prop_oneof![6 => Just(""), 1 => Just("enableDefaultDeny: {ingress: false, egress: false}, ")];
    let gateway = Just("{matchExpressions: [{key: \"reserved:ingress\", operator: Exists}]}".to_owned());
    let of_pods =
        prop_oneof![6 => selector(), 1 => gateway].prop_map(|pods| format!("endpointSelector: {pods}"));
    let of_nodes = select(vec!["nodeSelector: {}", "nodeSelector: {matchLabels: {pool: work}}"]);
    let namespaced = (select(vec!["a", "b"]), selector(), sections(), isolation.clone()).prop_map(
        |(namespace, subject, sections, isolation)| {
            format!(
                "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: NAME, namespace: {namespace}}}\n\
                 spec: {{{isolation}endpointSelector: {subject}, {sections}}}"
            )
        },
    );
    let clusterwide = |subject: BoxedStrategy<String>, sections: BoxedStrategy<String>| {
        (subject, sections).prop_map(|(subject, sections)| {
            format!(
                "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {{name: NAME}}\n\
                 spec: {{{subject}, {sections}}}"
            )
        })
    };
    prop_oneof![
        6 => namespaced,
        2 => clusterwide(of_pods.boxed(), sections().boxed()),
        // Nodes have no rules for requests.
        3 * firewall => clusterwide(of_nodes.prop_map(str::to_owned).boxed(), plain_section("ingress", rules).boxed()),
    ]
    .boxed()
}

fn selector() -> BoxedStrategy<String> {
    prop_oneof![
        3 => Just("{}".to_owned()),
        4 => "(web|db|job|hung|agent|names)".prop_map(|app| format!("{{matchLabels: {{app: {app}}}}}")),
        1 => "(front|data)".prop_map(|tier| format!("{{matchLabels: {{tier: {tier}}}}}")),
        2 => "(a|b|kube-system)".prop_map(|name| format!("{{matchLabels: {{k8s:io.kubernetes.pod.namespace: {name}}}}}")),
        1 => "(a|b)".prop_map(|team| format!("{{matchLabels: {{io.cilium.k8s.namespace.labels.team: {team}}}}}")),
        1 => "(NotIn|DoesNotExist)".prop_map(|operator| {
            let values = if operator == "NotIn" { ", values: [front]" } else { "" };
            format!("{{matchExpressions: [{{key: tier, operator: {operator}{values}}}]}}")
        }),
        1 => Just("{matchLabels: {io.cilium.k8s.policy.cluster: west}}".to_owned()),
        1 => Just("{matchLabels: {io.cilium.k8s.policy.serviceaccount: data}}".to_owned()),
    ]
    .boxed()
}

fn section(name: &'static str, rules: Rules) -> impl Strategy<Value = String> {
    let denies = name.ends_with("Deny");
    let allows = u32::from(!denies);
    let egress = u32::from(name == "egress");
    let word = if name.starts_with("ingress") { "from" } else { "to" };
    let item = prop_oneof![
        6 => plain_item(word, rules),
        2 * allows => (peers(word, rules), requests()).prop_map(|(peers, requests)| joined(&[&peers, &requests])),
        allows => peers(word, rules).prop_map(|peers| {
            joined(&[&peers, "toPorts: [{ports: [{port: \"443\", protocol: TCP}], serverNames: [api.random.test]}]"])
        }),
        2 * allows => (peers(word, rules), "(method: GET|path: /x|path: /)", "(tls|other)")
            .prop_map(|(peers, rule, judges)| {
                joined(&[&peers, &IN_TLS.replace("RULE", &rule).replace("JUDGES", &judges)])
            }),
        3 * egress => Just(DNS.to_owned()),
        egress => "(names|resolver)".prop_map(|server| NAMES.replace("PEERS", match server.as_str() {
            "names" => "toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: b, app: names}}]",
            _ => "toCIDR: [203.0.113.53/32]",
        })),
        2 * egress => "(matchName: api\\.random\\.test|matchName: store\\.random\\.test|matchPattern: '\\*\\.random\\.test')"
            .prop_map(|name| format!("{{toFQDNs: [{{{name}}}]}}")),
        egress => Just("{toServices: [{k8sService: {serviceName: nodes, namespace: b}}]}".to_owned()),
    ];
    proptest::collection::vec(item, 1..4).prop_map(move |items| format!("{name}: [{}]", items.join(", ")))
}

/// A section without rules that a proxy decides by.
fn plain_section(name: &'static str, rules: Rules) -> impl Strategy<Value = String> {
    proptest::collection::vec(plain_item("from", rules), 1..4)
        .prop_map(move |items| format!("{name}: [{}]", items.join(", ")))
}

const DNS: &str = "{toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}}], \
                   toPorts: [{ports: [{port: \"53\", protocol: ANY}], rules: {dns: [{matchPattern: '*'}]}}]}";

/// A rule for one of the servers that pods ask after the cluster's own.
const NAMES: &str = "{PEERS, toPorts: [{ports: [{port: \"53\", protocol: ANY}], rules: {dns: [{matchName: www.random.test}]}}]}";

/// Rules for requests inside TLS that the proxy ends.
const IN_TLS: &str = "toPorts: [{ports: [{port: \"443\", protocol: TCP}], \
                      terminatingTLS: {secret: {namespace: a, name: tls}}, \
                      originatingTLS: {secret: {namespace: a, name: JUDGES}}, rules: {http: [{RULE}]}}]";

fn plain_item(word: &'static str, rules: Rules) -> impl Strategy<Value = String> {
    (peers(word, rules), ports(rules)).prop_map(|(peers, ports)| joined(&[&peers, &ports]))
}

fn joined(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    format!("{{{}}}", parts.join(", "))
}

fn peers(word: &'static str, rules: Rules) -> BoxedStrategy<String> {
    let entities = "(all|world|cluster|host|remote-node|kube-apiserver|ingress|health|none)";
    let blocks = "(198\\.51\\.100\\.0/29|203\\.0\\.113\\.11/32|203\\.0\\.113\\.0/24|0\\.0\\.0\\.0/0|192\\.0\\.2\\.20/31)";
    prop_oneof![
        2 => Just(String::new()),
        6 => proptest::collection::vec(selector(), 1..3)
            .prop_map(move |selectors| format!("{word}Endpoints: [{}]", selectors.join(", "))),
        4 => entities.prop_map(move |entity| format!("{word}Entities: [{entity}]")),
        2 => blocks.prop_map(move |block| format!("{word}CIDR: [{block}]")),
        3 * rules.nodes => "(pool: work|pool: rest|node-role\\.kubernetes\\.io/control-plane: \"\")"
            .prop_map(move |label| format!("{word}Nodes: [{{matchLabels: {{{label}}}}}]")),
    ]
    .boxed()
}

fn ports(rules: Rules) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        4 => ("(8080|443|5432|6379|53|9001|9100|9101|6443|8088|80)", "(TCP|UDP|ANY)").prop_map(|(port, protocol)| {
            format!("toPorts: [{{ports: [{{port: \"{port}\", protocol: {protocol}}}]}}]")
        }),
        1 => Just("toPorts: [{ports: [{port: \"5000\", endPort: 9100, protocol: TCP}]}]".to_owned()),
        1 => Just("toPorts: [{ports: [{port: web, protocol: TCP}]}]".to_owned()),
        1 => "(8|Timestamp|DestinationUnreachable|11|0)"
            .prop_map(|kind| format!("icmps: [{{fields: [{{type: {kind}, family: IPv4}}]}}]")),
        2 * rules.extended => "(VRRP|IGMP)".prop_map(|protocol| format!("toPorts: [{{ports: [{{protocol: {protocol}}}]}}]")),
        1 => "(128|PacketTooBig)"
            .prop_map(|kind| format!("icmps: [{{fields: [{{type: {kind}, family: IPv6}}]}}]")),
    ]
}

fn requests() -> impl Strategy<Value = String> {
    "(method: GET|path: /x|path: /v1|host: shop\\.random\\.test|headers: \\[\"Upgrade: websocket\"\\])"
        .prop_map(|rule| {
            format!(
                "toPorts: [{{ports: [{{port: \"8080\", protocol: TCP}}], rules: {{http: [{{{rule}}}]}}}}]"
            )
        })
}
