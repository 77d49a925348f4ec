//! Random situations over a topology with every kind of endpoint and way: nodes, pods of the host network and of another
//! cluster, silent ones, ports of the node, services of every type, the gateway with routes, TLS, names that move, and
//! settings. Model and lab are held against each other by them; few clusters could run one.

use std::error::Error;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

/// Settings of Cilium, of which some are drawn for a scenario.
const SETTINGS: &[&str] = &[
    NODE_LABELS,
    HOST_FIREWALL,
    FAMILIES,
    "policyCIDRMatchMode: nodes",
    "routingMode: tunnel",
    "clustermesh.policyDefaultLocalCluster: false",
    "enableNonDefaultDenyPolicies: false",
];
const NODE_LABELS: &str = "nodeSelectorLabels: true";
const HOST_FIREWALL: &str = "hostFirewall.enabled: true";
const FAMILIES: &str = "ipv6.enabled: true";

const ATTEMPTS: &str = "tcp a/web:8080
http GET a/web:8080/x
http POST a/web:8080/y
udp a/web:80
icmp a/web
http GET host:8088/x
udp host:88
tcp host:9101
tcp far:9101
icmp far
tcp a/db:9001
tcp a/front:8000
tcp a/open:8000 over far
tcp a/open:8000 over host
tcp a/back:5432
http GET b/site:80/x
tcp b/nodes:9101 via host
tcp b/nodes:9101 via far
tcp peers.b.svc.cluster.local:8080
https GET alias.b.svc.cluster.local/
https GET api.random.test/
https GET www.random.test/
https GET server:443/x
https POST b/web:443/
https GET b/web:443/ Host=api.random.test
tcp server:443
udp server:443
icmp server
tcp gone:443
http GET ingress:80/
http GET ingress:80/v1 Host=shop.random.test
http GET health:4240/
tcp default/kubernetes:443
http GET metadata:80/x
tcp metadata:80
tcp b/site:81
tcp b/here:9100
tcp b/there:9100
tcp b/hung:8080
dns api.random.test
dns+tcp www.random.test
icmp Timestamp a/web
icmp DestinationUnreachable a/db
icmp 11 server
tcp store:6379
tcp store.random.test:6379";

/// Attempts whose connections are made before any policy is in force, and kept for the first step that has some.
const KEPT: &str = "tcp a/db:9001
tcp host:9101
tcp far:9101
tcp b/there:9100
tcp store:6379";

/// A scenario of so many steps, each with policies of its own, after one without any.
pub(super) fn scenario(
    seed: u64,
    number: usize,
    steps: usize,
    runner: &mut TestRunner,
) -> Result<String, Box<dyn Error>> {
    let settings = drawn(runner, subsequence(SETTINGS.to_vec(), 0..=3))?;
    let mut text = drawn(runner, head(seed, number, &settings))?;
    let policies = proptest::collection::vec(policy(&settings), 1..6);
    let mut manifests = String::new();
    let mut host = "server";
    let row = |attempt: &str| format!("    {attempt}: {{allow: others}}\n");
    text += "- step: open\n  expect:\n";
    text.extend(KEPT.lines().map(row));
    for step in 0..steps {
        let policies = drawn(runner, &policies)?;
        let names: Vec<String> = (0..policies.len()).map(|index| format!("s{step}p{index}")).collect();
        writeln!(text, "- step: \"{step}\"\n  policies: [{}]", names.join(", "))?;
        text += &drawn(runner, circumstances(step))?;
        if step > 0 && drawn(runner, proptest::bool::weighted(0.4))? {
            host = if host == "server" { "other" } else { "server" };
            writeln!(text, "  names: {{api.random.test: {host}}}")?;
        }
        text += "  expect:\n";
        text.extend(ATTEMPTS.lines().map(row));
        if step == 0 {
            text.extend(KEPT.lines().map(|made| row(&format!("{made} kept"))));
        }
        if settings.contains(&FAMILIES) {
            text += "    tcp4 server:443: {allow: others}\n    tcp6 server:443: {allow: others}\n    icmp6 a/web: {allow: others}\n    icmp6 PacketTooBig a/db: {allow: others}\n";
        }
        for (name, policy) in names.iter().zip(policies) {
            writeln!(manifests, "---\n{}", policy.replace("NAME", name))?;
        }
    }
    Ok(text + &manifests)
}

fn drawn<S: Strategy>(runner: &mut TestRunner, strategy: S) -> Result<S::Value, Box<dyn Error>> {
    Ok(strategy.new_tree(runner).map_err(|reason| reason.to_string())?.current())
}

/// The topology, up to the steps.
fn head(seed: u64, number: usize, settings: &[&'static str]) -> impl Strategy<Value = String> {
    let versions =
        if settings.iter().any(|setting| setting.contains("mesh") || setting.contains("NonDefault")) {
            "cilium: '>=1.18'\n"
        } else {
            ""
        };
    let second = if settings.contains(&FAMILIES) { ", ipv6: '2001:db8::11'" } else { "" };
    let settings = settings.join(", ");
    let ways = (
        select(vec!["NodePort", "LoadBalancer"]),
        select(vec!["Cluster", "Local"]),
        select(vec!["Cluster", "Local"]),
        any::<bool>(),
        select(vec![
            "",
            "",
            "",
            "  dns: {nameservers: [b/names]}\n",
            "  dns: {nameservers: [resolver, b/names]}\n",
        ]),
    );
    ways.prop_map(move |(kind, outside, inside, has_ranges, dns)| {
        let spared = if has_ranges { ", skipRedirectFromBackend: true" } else { "" };
        let ranges = if has_ranges && kind == "LoadBalancer" {
            ", loadBalancerSourceRanges: [198.51.100.0/29]"
        } else {
            ""
        };
        format!(
            "scenario: everything {seed} {number}\nabout: A topology of every kind, and policies drawn at random.\n{versions}topology:\n\
             \x20 settings: {{{settings}}}\n  namespaces: {{a: {{labels: {{team: a}}}}, b: {{labels: {{team: b}}}}}}\n  pods:\n\
             \x20   a/web: {{labels: {{app: web, tier: front}}, serves: [http 8080 as web, udp 80], hostPorts: {{8088: web, 88/udp: 80}}}}\n\
             \x20   a/db: {{labels: {{app: db, tier: data}}, serves: [tcp 5432, tcp 9000-9002], trusts: []}}\n\
             \x20   b/web: {{labels: {{app: web, tier: front}}, serves: [http 8080 as web, https 443]}}\n\
             \x20   b/job: {{labels: {{app: job}}, trusts: [a/tls], only: source}}\n\
             \x20   b/names: {{labels: {{app: names}}, serves: [dns 53], only: target}}\n\
             \x20   b/hung: {{labels: {{app: hung}}, serves: [tcp 8080], silent: true}}\n\
             \x20   b/west: {{labels: {{app: web}}, cluster: west, only: source}}\n\
             \x20   b/here: {{labels: {{app: agent}}, hostNetwork: true, serves: [tcp 9100]}}\n\
             \x20   b/there: {{labels: {{app: agent}}, hostNetwork: true, node: far, serves: [tcp 9100]}}\n\
             \x20 services:\n\
             \x20   a/front: {{type: {kind}, externalTrafficPolicy: {outside}{ranges}, selects: {{app: web}}, ports: {{8000: web}}}}\n\
             \x20   a/open: {{type: NodePort, selects: {{app: web}}, ports: {{8000: web}}}}\n\
             \x20   a/back: {{internalTrafficPolicy: {inside}, selects: {{app: db}}, ports: {{5432: 5432}}}}\n\
             \x20   b/site: {{selects: {{app: web}}, ports: {{80: web, 81: web}}}}\n\
             \x20   b/peers: {{headless: true, selects: {{app: web}}}}\n\
             \x20   b/nodes: {{backends: [host, far], ports: {{9101: 9101}}}}\n\
             \x20   b/names: {{selects: {{app: names}}, ports: {{53/udp: 53, 53: 53}}}}\n\
             \x20   b/alias: {{externalName: api.random.test}}\n\
             \x20 routes: {{/: b/site:80, shop.random.test/v1: a/front:8000}}\n  cilium: [ingress, health]\n  world:\n\
             \x20   client: {{address: 198.51.100.2, only: source}}\n    far-client: {{address: 198.51.100.99, only: source}}\n\
             \x20   server: {{address: 203.0.113.11{second}, names: [api.random.test], aliases: [www.random.test], serves: [https 443, udp 443]}}\n\
             \x20   other: {{address: 203.0.113.40, serves: [https 443, udp 443], certificate: a/other}}\n    gone: {{address: 203.0.113.12, silent: true}}\n\
             \x20   store: {{address: 203.0.113.63, names: [store.random.test], serves: [tcp 6379], only: target}}\n\
             \x20   resolver: {{address: 203.0.113.53, serves: [dns 53], only: target}}\n\
             \x20   metadata: {{address: 169.254.169.254, serves: [http 80], only: target}}\n\
             \x20 redirects:\n\
             \x20   a/metadata: {{from: metadata, selects: {{app: web}}, ports: {{80: web}}{spared}}}\n\
             \x20   a/site: {{from: b/site, selects: {{app: db}}, ports: {{81: 9000}}}}\n\
             {dns}  secrets: [a/tls, a/other]\n  nodes:\n    host: {{address: 192.0.2.20, labels: {{pool: work}}, serves: [tcp 9101]}}\n\
             \x20   far: {{address: 192.0.2.21, labels: {{pool: rest}}, serves: [tcp 9101]}}\n\
             \x20   control: {{apiServer: true, address: 192.0.2.22, roles: [control-plane], serves: [tcp 6443]}}\nsteps:\n"
        )
    })
}

/// What else happens in a step: a mode, pods in audit mode, names that are forgotten, labels that change.
fn circumstances(step: usize) -> impl Strategy<Value = String> {
    let mode = prop_oneof![5 => Just(""), 1 => Just("  mode: audit\n"), 1 => Just("  mode: always\n")];
    let audit =
        prop_oneof![3 => Just(""), 1 => Just("  audit: [a/web]\n"), 1 => Just("  audit: [b/web, b/job]\n")];
    let names = prop_oneof![
        2 => Just(""),
        1 => Just("  expired: [api.random.test]\n"),
    ];
    let labels = prop_oneof![3 => Just(""), 1 => Just("  labels: {pod a/db: {tier: front}}\n"), 1 => Just("  labels: {namespace b: {team: a}}\n")];
    let later = step > 0;
    (mode, audit, names, labels).prop_map(move |(mode, audit, names, labels)| {
        let (names, labels) = if later { (names, labels) } else { ("", "") };
        format!("{mode}{audit}{names}{labels}")
    })
}

/// A policy named NAME.
fn policy(settings: &[&str]) -> BoxedStrategy<String> {
    let nodes = u32::from(settings.contains(&NODE_LABELS));
    let firewall = u32::from(settings.contains(&HOST_FIREWALL));
    let sections = || {
        let ingress = || section("ingress", nodes);
        let egress = || section("egress", nodes);
        prop_oneof![
            3 => ingress(),
            3 => egress(),
            2 => (ingress(), egress()).prop_map(|(one, other)| format!("{one}, {other}")),
            1 => (ingress(), section("ingressDeny", nodes)).prop_map(|(one, other)| format!("{one}, {other}")),
            1 => (egress(), section("egressDeny", nodes)).prop_map(|(one, other)| format!("{one}, {other}")),
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
        3 * firewall => clusterwide(of_nodes.prop_map(str::to_owned).boxed(), plain_section("ingress", nodes).boxed()),
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
        1 => Just("{matchLabels: {io.cilium.k8s.policy.cluster: west}}".to_owned()),
    ]
    .boxed()
}

fn section(name: &'static str, nodes: u32) -> impl Strategy<Value = String> {
    let denies = name.ends_with("Deny");
    let allows = u32::from(!denies);
    let egress = u32::from(name == "egress");
    let word = if name.starts_with("ingress") { "from" } else { "to" };
    let item = prop_oneof![
        6 => plain_item(word, nodes),
        2 * allows => (peers(word, nodes), requests()).prop_map(|(peers, requests)| joined(&[&peers, &requests])),
        allows => peers(word, nodes).prop_map(|peers| {
            joined(&[&peers, "toPorts: [{ports: [{port: \"443\", protocol: TCP}], serverNames: [api.random.test]}]"])
        }),
        2 * allows => (peers(word, nodes), "(method: GET|path: /x|path: /)", "(tls|other)")
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
fn plain_section(name: &'static str, nodes: u32) -> impl Strategy<Value = String> {
    proptest::collection::vec(plain_item("from", nodes), 1..4)
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

fn plain_item(word: &'static str, nodes: u32) -> impl Strategy<Value = String> {
    (peers(word, nodes), ports()).prop_map(|(peers, ports)| joined(&[&peers, &ports]))
}

fn joined(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    format!("{{{}}}", parts.join(", "))
}

fn peers(word: &'static str, nodes: u32) -> BoxedStrategy<String> {
    let entities = "(all|world|cluster|host|remote-node|kube-apiserver|ingress|health|none)";
    let blocks = "(198\\.51\\.100\\.0/29|203\\.0\\.113\\.11/32|203\\.0\\.113\\.0/24|0\\.0\\.0\\.0/0|192\\.0\\.2\\.20/31)";
    prop_oneof![
        2 => Just(String::new()),
        6 => proptest::collection::vec(selector(), 1..3)
            .prop_map(move |selectors| format!("{word}Endpoints: [{}]", selectors.join(", "))),
        4 => entities.prop_map(move |entity| format!("{word}Entities: [{entity}]")),
        2 => blocks.prop_map(move |block| format!("{word}CIDR: [{block}]")),
        3 * nodes => "(pool: work|pool: rest|node-role\\.kubernetes\\.io/control-plane: \"\")"
            .prop_map(move |label| format!("{word}Nodes: [{{matchLabels: {{{label}}}}}]")),
    ]
    .boxed()
}

fn ports() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        4 => ("(8080|443|5432|6379|53|9001|9100|9101|6443|8088|80)", "(TCP|UDP|ANY)").prop_map(|(port, protocol)| {
            format!("toPorts: [{{ports: [{{port: \"{port}\", protocol: {protocol}}}]}}]")
        }),
        1 => Just("toPorts: [{ports: [{port: \"5000\", endPort: 9100, protocol: TCP}]}]".to_owned()),
        1 => Just("toPorts: [{ports: [{port: web, protocol: TCP}]}]".to_owned()),
        1 => "(8|Timestamp|DestinationUnreachable|11|0)"
            .prop_map(|kind| format!("icmps: [{{fields: [{{type: {kind}, family: IPv4}}]}}]")),
        1 => "(128|PacketTooBig)"
            .prop_map(|kind| format!("icmps: [{{fields: [{{type: {kind}, family: IPv6}}]}}]")),
    ]
}

fn requests() -> impl Strategy<Value = String> {
    "(method: GET|path: /x|path: /v1|host: shop\\.random\\.test)".prop_map(|rule| {
        format!("toPorts: [{{ports: [{{port: \"8080\", protocol: TCP}}], rules: {{http: [{{{rule}}}]}}}}]")
    })
}
