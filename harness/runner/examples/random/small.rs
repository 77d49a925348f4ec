//! Situations over one small topology that any cluster can be given: a few pods, a service, two hosts outside.

use std::error::Error;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::kubernetes::{self, Surroundings};

/// Which scenario policies are written for.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    number: usize,
    scope: Scope,
}

/// Whether a scenario keeps to its namespaces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Namespaces,
    Cluster,
}

impl Shape {
    pub(super) fn new(number: usize) -> Self {
        Self { number, scope: if number % 4 == 3 { Scope::Cluster } else { Scope::Namespaces } }
    }

    fn is_clusterwide(self) -> bool {
        self.scope == Scope::Cluster
    }

    fn namespace(self, letter: &str) -> String {
        format!("r{}{letter}", self.number)
    }

    fn surroundings(self) -> Surroundings {
        let [client, _] = self.addresses();
        Surroundings { namespaces: ["a", "b"].map(|letter| self.namespace(letter)), client }
    }

    /// The address of the client outside, and that of the server outside.
    fn addresses(self) -> [String; 2] {
        [0, 1].map(|host| format!("198.51.100.{}", 2 * (self.number % 120) + host))
    }
}

/// A scenario of so many steps, each with policies of its own.
pub(super) fn scenario(
    seed: u64,
    shape: Shape,
    steps: usize,
    runner: &mut TestRunner,
) -> Result<String, Box<dyn Error>> {
    let policies = proptest::collection::vec(policy(shape), 1..6);
    let mut text = head(seed, shape);
    let mut manifests = String::new();
    for step in 0..steps {
        let drawn = policies.new_tree(runner).map_err(|reason| reason.to_string())?.current();
        let names: Vec<String> = (0..drawn.len()).map(|index| format!("s{step}p{index}")).collect();
        writeln!(text, "- step: \"{step}\"\n  policies: [{}]\n  expect:", names.join(", "))?;
        for attempt in attempts(shape) {
            writeln!(text, "    {attempt}: {{allow: others}}")?;
        }
        for (name, policy) in names.iter().zip(drawn) {
            writeln!(manifests, "---\n{}", policy.replace("NAME", name))?;
        }
    }
    Ok(text + &manifests)
}

/// The topology, up to the steps. The pod behind the service is the source of nothing: with it a pod would reach itself through
/// the service, and where that is balanced packet by packet Cilium may not hold the next packet to its policy.
fn head(seed: u64, shape: Shape) -> String {
    let (a, b, [client, server]) = (shape.namespace("a"), shape.namespace("b"), shape.addresses());
    let (names, nodes) = if shape.is_clusterwide() {
        (", names: [api.random.test]", "  nodes: {host: {only: source}}\n")
    } else {
        ("", "")
    };
    format!(
        "scenario: random {seed} {number}\nabout: Policies drawn at random.\ntopology:\n\
         \x20 namespaces: {{{a}: {{labels: {{team: a}}}}, {b}: {{labels: {{team: b}}}}}}\n  pods:\n\
         \x20   {a}/web: {{labels: {{app: web, tier: front}}, serves: [tcp 8080 as web, tcp 80, udp 80]}}\n\
         \x20   {a}/db: {{labels: {{app: db, tier: data}}, serves: [tcp 80 as web, tcp 5432]}}\n\
         \x20   {b}/web: {{labels: {{app: web, tier: front}}, serves: [tcp 90 as web, tcp 80, udp 80]}}\n\
         \x20   {b}/job: {{labels: {{app: job}}}}\n\
         \x20   {a}/back: {{labels: {{app: back}}, serves: [tcp 8080], only: target}}\n\
         \x20 services:\n    {a}/front: {{selects: {{app: back}}, ports: {{8000: 8080}}}}\n\
         \x20 world:\n    client: {{address: {client}}}\n    server: {{address: {server}{names}, serves: [tcp 443, udp 443]}}\n\
         {nodes}steps:\n",
        number = shape.number,
    )
}

/// The attempts of every step.
fn attempts(shape: Shape) -> Vec<String> {
    let (a, b) = (shape.namespace("a"), shape.namespace("b"));
    let mut attempts = vec![
        format!("tcp {a}/web:8080"),
        format!("tcp {a}/web:80"),
        format!("udp {a}/web:80"),
        format!("icmp {a}/web"),
        format!("tcp {a}/db:80"),
        format!("tcp {a}/db:5432"),
        format!("icmp {a}/db"),
        format!("tcp {b}/web:90"),
        format!("tcp {b}/web:80"),
        format!("udp {b}/web:80"),
        format!("tcp {a}/front:8000"),
        "tcp server:443".to_owned(),
        "udp server:443".to_owned(),
        "icmp server".to_owned(),
    ];
    if shape.is_clusterwide() {
        attempts.extend(["dns api.random.test", "dns www.random.test"].map(str::to_owned));
    }
    attempts
}

/// A policy named NAME.
fn policy(shape: Shape) -> BoxedStrategy<String> {
    prop_oneof![4 => cilium_policy(shape), 1 => kubernetes::policy(&shape.surroundings())].boxed()
}

fn cilium_policy(shape: Shape) -> impl Strategy<Value = String> {
    let sections = prop_oneof![
        3 => section("ingress", shape),
        1 => (section("ingress", shape), section("ingressDeny", shape)).prop_map(|(a, b)| format!("{a}, {b}")),
        1 => section("ingressDeny", shape),
        3 => section("egress", shape),
        1 => (section("egress", shape), section("egressDeny", shape)).prop_map(|(a, b)| format!("{a}, {b}")),
        1 => section("egressDeny", shape),
        2 => (section("ingress", shape), section("egress", shape)).prop_map(|(a, b)| format!("{a}, {b}")),
    ];
    let isolation = prop_oneof![
        5 => Just(""),
        1 => Just("enableDefaultDeny: {ingress: false, egress: false}, "),
    ];
    let clusterwide = if shape.is_clusterwide() { 2 } else { 0 };
    let namespace = prop_oneof![
        1 => Just(Some("a")),
        1 => Just(Some("b")),
        clusterwide => Just(None),
    ];
    (selector(shape), sections, namespace, isolation).prop_map(
        move |(subject, sections, namespace, isolation)| {
            let (kind, metadata) = match namespace {
                None => ("CiliumClusterwideNetworkPolicy", "name: NAME".to_owned()),
                Some(letter) => {
                    ("CiliumNetworkPolicy", format!("name: NAME, namespace: {}", shape.namespace(letter)))
                }
            };
            // Without a namespace it keeps to the pods of the scenario: the cluster's own DNS server has to stay in reach.
            let subject = if namespace.is_none() { ours(&subject, shape) } else { subject };
            format!(
                "apiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{{metadata}}}\n\
             spec: {{{isolation}endpointSelector: {subject}, {sections}}}"
            )
        },
    )
}

/// The selector, narrowed to the scenario's own namespaces.
fn ours(selector: &str, shape: Shape) -> String {
    let own = format!(
        "{{key: k8s:io.kubernetes.pod.namespace, operator: In, values: [{}, {}]}}",
        shape.namespace("a"),
        shape.namespace("b")
    );
    match selector.split_once("matchExpressions: [") {
        Some((before, after)) => format!("{before}matchExpressions: [{own}, {after}"),
        None if selector == "{}" => format!("{{matchExpressions: [{own}]}}"),
        None => format!("{}, matchExpressions: [{own}]}}", selector.trim_end_matches('}').to_owned() + "}"),
    }
}

fn selector(shape: Shape) -> BoxedStrategy<String> {
    let namespaces = ["a", "b"].map(|letter| shape.namespace(letter)).to_vec();
    let namespace = proptest::sample::select(namespaces);
    prop_oneof![
        2 => Just("{}".to_owned()),
        4 => "(web|db|job|back)".prop_map(|app| format!("{{matchLabels: {{app: {app}}}}}")),
        1 => "(front|data)".prop_map(|tier| format!("{{matchLabels: {{k8s:tier: {tier}}}}}")),
        2 => namespace.clone().prop_map(|name| format!("{{matchLabels: {{k8s:io.kubernetes.pod.namespace: {name}}}}}")),
        2 => (namespace.clone(), "(web|db|job|back)").prop_map(|(name, app)| {
            format!("{{matchLabels: {{io.kubernetes.pod.namespace: {name}, app: {app}}}}}")
        }),
        1 => "(a|b)".prop_map(|team| format!("{{matchLabels: {{io.cilium.k8s.namespace.labels.team: {team}}}}}")),
        1 => ("(In|NotIn)", "(web|db|job|back)").prop_map(|(operator, app)| {
            format!("{{matchExpressions: [{{key: app, operator: {operator}, values: [{app}, other]}}]}}")
        }),
        1 => "(Exists|DoesNotExist)"
            .prop_map(|operator| format!("{{matchExpressions: [{{key: tier, operator: {operator}}}]}}")),
        1 => namespace.prop_map(|name| {
            format!("{{matchExpressions: [{{key: k8s:io.kubernetes.pod.namespace, operator: NotIn, values: [{name}]}}]}}")
        }),
    ]
    .boxed()
}

fn section(name: &'static str, shape: Shape) -> impl Strategy<Value = String> {
    let word = if name.starts_with("ingress") { "from" } else { "to" };
    let name_rules = u32::from(name == "egress" && shape.is_clusterwide());
    let item = prop_oneof![
        6 => (peers(word, name, shape), ports()).prop_map(|(peers, ports)| {
            let parts: Vec<String> = [peers, ports].into_iter().filter(|part| !part.is_empty()).collect();
            format!("{{{}}}", parts.join(", "))
        }),
        2 * name_rules => name_rule(),
    ];
    proptest::collection::vec(item, 1..4).prop_map(move |items| format!("{name}: [{}]", items.join(", ")))
}

fn name_rule() -> impl Strategy<Value = String> {
    "(matchName: api\\.random\\.test|matchPattern: '\\*\\.random\\.test'|matchPattern: 'w\\*\\.random\\.test')".prop_map(
        |rule| {
            format!(
                "{{toEndpoints: [{{matchLabels: {{k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}}}}], \
                 toPorts: [{{ports: [{{port: \"53\", protocol: ANY}}], rules: {{dns: [{{{rule}}}]}}}}]}}"
            )
        },
    )
}

fn peers(word: &'static str, section: &'static str, shape: Shape) -> BoxedStrategy<String> {
    let blocks: Vec<String> = shape.addresses().into_iter().map(|address| format!("{address}/32")).collect();
    let single = proptest::sample::select(blocks);
    let services = u32::from(section == "egress" || section == "egressDeny");
    let service =
        format!("toServices: [{{k8sService: {{serviceName: front, namespace: {}}}}}]", shape.namespace("a"));
    prop_oneof![
        2 => Just(String::new()),
        6 => proptest::collection::vec(selector(shape), 0..3)
            .prop_map(move |selectors| format!("{word}Endpoints: [{}]", selectors.join(", "))),
        3 => "(all|world|cluster|host|remote-node|none)".prop_map(move |entity| format!("{word}Entities: [{entity}]")),
        1 => single.clone().prop_map(move |block| format!("{word}CIDR: [{block}]")),
        1 => "(198\\.51\\.100\\.0/24|10\\.0\\.0\\.0/8|0\\.0\\.0\\.0/0|198\\.51\\.100\\.0/29)"
            .prop_map(move |block| format!("{word}CIDR: [{block}]")),
        1 => single.prop_map(move |block| format!("{word}CIDRSet: [{{cidr: 198.51.100.0/24, except: [{block}]}}]")),
        services => Just(service),
    ]
    .boxed()
}

fn ports() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        4 => ("(80|443|5432|8080|90|0)", "(TCP|UDP|ANY)").prop_map(|(port, protocol)| {
            format!("toPorts: [{{ports: [{{port: \"{port}\", protocol: {protocol}}}]}}]")
        }),
        1 => ("(80|443)", "(8080|5432)").prop_map(|(one, other)| {
            format!("toPorts: [{{ports: [{{port: \"{one}\"}}, {{port: \"{other}\", protocol: TCP}}]}}]")
        }),
        2 => (1_u16..500, 1_u16..9000).prop_map(|(first, more)| {
            format!("toPorts: [{{ports: [{{port: \"{first}\", endPort: {}, protocol: TCP}}]}}]", first + more)
        }),
        1 => "(TCP|UDP|ANY)"
            .prop_map(|protocol| format!("toPorts: [{{ports: [{{port: web, protocol: {protocol}}}]}}]")),
        1 => Just("icmps: [{fields: [{type: 8, family: IPv4}]}]".to_owned()),
    ]
}
