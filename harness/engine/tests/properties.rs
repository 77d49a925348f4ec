//! What holds for any policies: their order never matters, an allow never denies, a deny never allows, and
//! invalid objects change nothing. And no object, however odd, makes the engine panic.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::sync::Arc;

use proptest::prelude::*;
use verdikt_engine::decide::{DecisionKind, Traffic};
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_scenario::document;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::topology::{Endpoint, Node, Pod, Protocol, Topology, WorldHost};

fn topology() -> Topology {
    let mut topology = Topology::default();
    for namespace in ["a", "b"] {
        let labels = [("team".to_owned(), namespace.to_owned())].into();
        topology.namespaces.insert(namespace.parse().unwrap(), labels);
    }
    for (name, app) in [("a/web", "web"), ("a/db", "db"), ("b/web", "web"), ("b/job", "job")] {
        let labels = [("app".to_owned(), app.to_owned())].into();
        topology.pods.insert(name.parse().unwrap(), Pod { labels, ..Pod::default() });
    }
    let host = WorldHost {
        address: "203.0.113.10".parse().unwrap(),
        names: [].into(),
        serves: Vec::new(),
        aliases: [].into(),
        api_server: false,
    };
    topology.world.insert("client".parse().unwrap(), host);
    topology.nodes.insert("host".parse().unwrap(), Node::default());
    topology.settings.cluster_network_policy = true;
    topology
}

fn manifest(text: &str) -> Manifest {
    let root = document::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).remove(0);
    Manifest { file: Arc::from("generated.yaml"), root }
}

fn selector() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        "(web|db|job)".prop_map(|app| format!("{{matchLabels: {{app: {app}}}}}")),
        "(a|b)".prop_map(|ns| format!("{{matchLabels: {{k8s:io.kubernetes.pod.namespace: {ns}}}}}")),
        "(web|db)".prop_map(|app| {
            format!("{{matchExpressions: [{{key: app, operator: NotIn, values: [{app}]}}]}}")
        }),
    ]
}

fn peers(word: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        proptest::collection::vec(selector(), 0..3)
            .prop_map(move |s| format!("{word}Endpoints: [{}]", s.join(", "))),
        "(all|world|cluster|host|none)".prop_map(move |entity| format!("{word}Entities: [{entity}]")),
        "(203\\.0\\.113\\.0/24|10\\.0\\.0\\.0/8|0\\.0\\.0\\.0/0)"
            .prop_map(move |cidr| format!("{word}CIDR: [{cidr}]")),
    ]
}

fn ports() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        ("(80|443|0)", "(TCP|UDP|ANY)").prop_map(|(port, protocol)| format!(
            "toPorts: [{{ports: [{{port: \"{port}\", protocol: {protocol}}}]}}]"
        )),
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
    (selector(), proptest::collection::vec(item(word), 1..3), "(a|b|)").prop_map(
        move |(subject, items, namespace)| {
            let (kind, namespace) = match namespace.as_str() {
                "" => ("CiliumClusterwideNetworkPolicy", String::new()),
                namespace => ("CiliumNetworkPolicy", format!(", namespace: {namespace}")),
            };
            let items = items.join(", ");
            format!(
                "{{apiVersion: cilium.io/v2, kind: {kind}, metadata: {{name: p{namespace}}}, \
             spec: {{endpointSelector: {subject}, {section}: [{items}]}}}}"
            )
        },
    )
}

/// A peer or subject of a `ClusterNetworkPolicy`.
fn pods_or_namespaces() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("namespaces: {}".to_owned()),
        "(a|b)".prop_map(|team| format!("namespaces: {{matchLabels: {{team: {team}}}}}")),
        Just("namespaces: {matchExpressions: [{key: team, operator: NotIn, values: [a]}]}".to_owned()),
        "(web|db|job)".prop_map(|app| format!("pods: {{podSelector: {{matchLabels: {{app: {app}}}}}}}")),
    ]
}

/// A rule of a `ClusterNetworkPolicy`, with its peers under `from` or `to`.
fn rule(word: &'static str) -> impl Strategy<Value = String> {
    let networks = "(203\\.0\\.113\\.0/24|0\\.0\\.0\\.0/0)".prop_map(|block| format!("networks: [{block}]"));
    let peer = prop_oneof![4 => pods_or_namespaces(), u32::from(word == "to") => networks];
    let protocols = prop_oneof![
        Just(String::new()),
        Just(", protocols: [{tcp: {destinationPort: {number: 80}}}]".to_owned()),
        Just(", protocols: [{udp: {destinationPort: {range: {start: 1, end: 65535}}}}]".to_owned()),
    ];
    ("(Accept|Deny|Pass)", proptest::collection::vec(peer, 1..3), protocols).prop_map(
        move |(action, peers, protocols)| {
            let peers: Vec<String> = peers.iter().map(|peer| format!("{{{peer}}}")).collect();
            format!("{{action: {action}, {word}: [{}]{protocols}}}", peers.join(", "))
        },
    )
}

fn cluster_network_policy() -> impl Strategy<Value = String> {
    let rules = proptest::collection::vec;
    ("(Admin|Baseline)", 0..3, pods_or_namespaces(), rules(rule("from"), 0..3), rules(rule("to"), 0..3)).prop_map(
        |(tier, priority, subject, ingress, egress)| {
            format!(
                "{{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {{name: k}}, \
                 spec: {{tier: {tier}, priority: {priority}, subject: {{{subject}}}, ingress: [{}], egress: [{}]}}}}",
                ingress.join(", "),
                egress.join(", ")
            )
        },
    )
}

fn any_policy() -> impl Strategy<Value = String> {
    prop_oneof![
        policy("ingress"),
        policy("ingressDeny"),
        policy("egress"),
        policy("egressDeny"),
        cluster_network_policy(),
    ]
}

type Sides = (Option<DecisionKind>, Option<DecisionKind>);

fn verdicts(policies: &[String]) -> Vec<(Endpoint, Endpoint, Sides)> {
    let topology = topology();
    let manifests: Vec<Manifest> = policies.iter().map(|policy| manifest(policy)).collect();
    let model = PolicyModel::new(&topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
    let endpoints = topology.sources();
    let mut verdicts = Vec::new();
    for source in &endpoints {
        for destination in &endpoints {
            for traffic in [
                Traffic::Port(Protocol::Tcp, 80),
                Traffic::Port(Protocol::Udp, 443),
                Traffic::Icmp { v6: false, kind: 8 },
            ] {
                let sides = model.sides(source, destination, traffic);
                verdicts.push((source.clone(), destination.clone(), sides));
            }
        }
    }
    verdicts
}

fn denied(side: Option<DecisionKind>) -> bool {
    side.is_some_and(DecisionKind::denies)
}

/// A policy that isolates every pod in both directions and allows nothing.
const ISOLATION: &str = "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: isolation}, \
                         spec: {endpointSelector: {}, ingress: [{}], egress: [{}]}}";

proptest! {
    #[test]
    fn the_order_of_objects_never_matters(policies in proptest::collection::vec(any_policy(), 0..5), turn in 0usize..5) {
        let mut other = policies.clone();
        other.reverse();
        if !other.is_empty() {
            let turn = turn % other.len();
            other.rotate_left(turn);
        }
        prop_assert_eq!(verdicts(&policies), verdicts(&other));
    }

    #[test]
    fn an_allow_never_denies_more_where_all_is_isolated(
        mut policies in proptest::collection::vec(any_policy(), 0..4),
        allow in prop_oneof![policy("ingress"), policy("egress")],
    ) {
        policies.push(ISOLATION.to_owned());
        let before = verdicts(&policies);
        policies.push(allow);
        for (before, after) in before.into_iter().zip(verdicts(&policies)) {
            prop_assert!(denied(before.2.0) || !denied(after.2.0), "{before:?} {after:?}");
            prop_assert!(denied(before.2.1) || !denied(after.2.1), "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_deny_never_allows_more_where_all_is_isolated(
        mut policies in proptest::collection::vec(any_policy(), 0..4),
        deny in prop_oneof![policy("ingressDeny"), policy("egressDeny")],
    ) {
        policies.push(ISOLATION.to_owned());
        let before = verdicts(&policies);
        policies.push(deny);
        for (before, after) in before.into_iter().zip(verdicts(&policies)) {
            prop_assert!(!denied(before.2.0) || denied(after.2.0), "{before:?} {after:?}");
            prop_assert!(!denied(before.2.1) || denied(after.2.1), "{before:?} {after:?}");
        }
    }

    #[test]
    fn invalid_objects_change_nothing(policies in proptest::collection::vec(any_policy(), 0..4), valid in any_policy()) {
        // Two kinds of peers in one item: the agent refuses the whole object.
        let broken = valid.replace("spec: {", "spec: {ingress: [{fromEntities: [world], fromCIDR: [10.0.0.0/8]}], ");
        prop_assume!(broken.matches("ingress: ").count() == 1);
        let mut with_broken = policies.clone();
        with_broken.push(broken);
        prop_assert_eq!(verdicts(&policies), verdicts(&with_broken));
    }

    /// A `ClusterNetworkPolicy` isolates nothing: what its rules do not match stays as it is.
    #[test]
    fn what_no_rule_of_a_cluster_network_policy_matches_stays_as_it_is(
        mut policies in proptest::collection::vec(any_policy(), 0..4),
        tier in "(Admin|Baseline)",
        action in "(Accept|Deny|Pass)",
    ) {
        let before = verdicts(&policies);
        policies.push(format!(
            "{{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {{name: k}}, spec: \
             {{tier: {tier}, priority: 0, subject: {{namespaces: {{}}}}, \
             ingress: [{{action: {action}, from: [{{pods: {{podSelector: {{matchLabels: {{app: nobody}}}}}}}}]}}], \
             egress: [{{action: {action}, to: [{{networks: [198.51.100.0/24]}}]}}]}}}}"
        ));
        for (before, after) in before.into_iter().zip(verdicts(&policies)) {
            prop_assert_eq!(denied(before.2.0), denied(after.2.0), "{:?} {:?}", before, after);
            prop_assert_eq!(denied(before.2.1), denied(after.2.1), "{:?} {:?}", before, after);
        }
    }

    /// An accept of the first priority lets everything in, whatever else there is.
    #[test]
    fn the_first_accept_beats_every_other_rule(mut policies in proptest::collection::vec(any_policy(), 0..4)) {
        policies.retain(|policy| !policy.contains("tier: Admin"));
        policies.push(
            "{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: open}, spec: \
             {tier: Admin, priority: 0, subject: {namespaces: {}}, \
             ingress: [{action: Accept, from: [{namespaces: {}}]}], egress: [{action: Accept, to: [{namespaces: {}}]}]}}"
                .to_owned(),
        );
        for (source, destination, (egress, ingress)) in verdicts(&policies) {
            if let (Endpoint::Pod(_), Endpoint::Pod(_)) = (&source, &destination) {
                prop_assert!(!denied(egress) && !denied(ingress), "{source} -> {destination}");
            }
        }
    }

    /// Whatever stands in an object, it is judged without a panic.
    #[test]
    fn no_object_panics(text in "[a-zA-Z0-9:{}\\[\\], \"*/.\n-]{0,200}", valid in any_policy(), cut in 0usize..200, junk in "\\PC{0,6}") {
        let mut mutated = valid.clone();
        let at = mutated.char_indices().map(|(at, _)| at).nth(cut % valid.len()).unwrap_or(0);
        mutated.insert_str(at, &junk);
        for text in [text, mutated] {
            for root in document::parse(&text).unwrap_or_default() {
                let manifests = [Manifest { file: Arc::from("odd.yaml"), root }];
                let topology = topology();
                PolicyModel::new(&topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
                PolicyModel::without_api_server(&topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
            }
        }
    }
}
