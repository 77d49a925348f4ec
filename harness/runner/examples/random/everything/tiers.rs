//! Policies of the kind `ClusterNetworkPolicy`.

use proptest::prelude::*;
use proptest::sample::select;

use super::settings::DrawnSettings;

/// What a rule does with the traffic of its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Accept,
    Deny,
    Pass,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Accept => "Accept",
            Self::Deny => "Deny",
            Self::Pass => "Pass",
        }
    }
}

/// A policy named NAME. Few priorities are drawn, so that many are equal.
pub(super) fn policy(settings: &DrawnSettings) -> BoxedStrategy<String> {
    let nodes = u32::from(settings.nodes_are_peers());
    let subject = prop_oneof![
        3 => namespaces().prop_map(|selector| format!("namespaces: {selector}")),
        2 => pods().prop_map(|pods| format!("pods: {pods}")),
    ];
    let rules = || {
        let ingress = proptest::collection::vec(rule("from", nodes), 1..4);
        let egress = proptest::collection::vec(rule("to", nodes), 1..4);
        let ingress = ingress.prop_map(|rules| format!("  ingress:\n{}", rules.concat()));
        let egress = egress.prop_map(|rules| format!("  egress:\n{}", rules.concat()));
        prop_oneof![
            2 => ingress.clone(),
            2 => egress.clone(),
            1 => (ingress, egress).prop_map(|(one, other)| one + &other),
        ]
    };
    (select(vec!["Admin", "Baseline"]), 0_u32..4, subject, rules())
        .prop_map(|(tier, priority, subject, rules)| {
            format!(
                "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: NAME}}\n\
                 spec:\n  tier: {tier}\n  priority: {priority}\n  subject: {{{subject}}}\n{}",
                rules.trim_end()
            )
        })
        .boxed()
}

/// A selector of namespaces. Those that only exclude match whatever has no namespace, and so does an operator that is none.
fn namespaces() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("{}".to_owned()),
        4 => "(a|b)".prop_map(|team| format!("{{matchLabels: {{team: {team}}}}}")),
        1 => "(a|b|kube-system)".prop_map(|name| format!("{{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}")),
        1 => "(NotIn|Equals)"
            .prop_map(|operator| format!("{{matchExpressions: [{{key: team, operator: {operator}, values: [a]}}]}}")),
        1 => "(Exists|DoesNotExist)"
            .prop_map(|operator| format!("{{matchExpressions: [{{key: team, operator: {operator}}}]}}")),
    ]
}

/// The pods of some or of all namespaces.
fn pods() -> impl Strategy<Value = String> {
    let selector = prop_oneof![
        1 => Just("{}".to_owned()),
        4 => "(web|db|job|hung|agent|names)".prop_map(|app| format!("{{matchLabels: {{app: {app}}}}}")),
        1 => "(NotIn|Equals)"
            .prop_map(|operator| format!("{{matchExpressions: [{{key: app, operator: {operator}, values: [web]}}]}}")),
        1 => Just("{matchLabels: {io.cilium.k8s.policy.cluster: west}}".to_owned()),
    ];
    let within = prop_oneof![
        2 => Just(String::new()),
        3 => namespaces().prop_map(|selector| format!(", namespaceSelector: {selector}")),
    ];
    (selector, within).prop_map(|(selector, within)| format!("{{podSelector: {selector}{within}}}"))
}

/// A rule, with its peers under `from` or `to`.
fn rule(word: &'static str, nodes: u32) -> BoxedStrategy<String> {
    select(vec![Action::Accept, Action::Accept, Action::Deny, Action::Pass])
        .prop_flat_map(move |action| {
            let of_cluster = || {
                prop_oneof![
                    1 => namespaces().prop_map(|selector| format!("{{namespaces: {selector}}}")),
                    1 => pods().prop_map(|pods| format!("{{pods: {pods}}}")),
                ]
            };
            let names = u32::from(action == Action::Accept);
            let of_egress = prop_oneof![
                2 => networks(),
                3 * nodes => node_peer(),
                3 * names => domain_names(),
            ];
            let egress = u32::from(word == "to");
            let peer = prop_oneof![3 => of_cluster(), 2 * egress => of_egress];
            let numbers = (proptest::collection::vec(peer, 1..3), numbers());
            // The API server takes the names of ports only beside pods.
            let named = (proptest::collection::vec(of_cluster(), 1..3), port_names());
            prop_oneof![5 => numbers, 1 => named].prop_map(move |(peers, protocols)| {
                let action = action.word();
                format!("  - {{action: {action}, {word}: [{}]{protocols}}}\n", peers.join(", "))
            })
        })
        .boxed()
}

fn networks() -> impl Strategy<Value = String> {
    select(vec!["198.51.100.0/29", "203.0.113.11/32", "203.0.113.0/24", "0.0.0.0/0", "192.0.2.20/31", "::/0"])
        .prop_map(|network| format!("{{networks: [\"{network}\"]}}"))
}

fn node_peer() -> impl Strategy<Value = String> {
    select(vec![
        "{}",
        "{matchLabels: {pool: work}}",
        "{matchExpressions: [{key: pool, operator: NotIn, values: [work]}]}",
    ])
    .prop_map(|selector| format!("{{nodes: {selector}}}"))
}

fn domain_names() -> impl Strategy<Value = String> {
    select(vec!["api.random.test", "store.random.test", "\"*.random.test\"", "API.random.test."])
        .prop_map(|name| format!("{{domainNames: [{name}]}}"))
}

fn numbers() -> impl Strategy<Value = String> {
    let number = "(8080|443|5432|6379|53|9001|9100|9101|6443|80|9)";
    prop_oneof![
        4 => Just(String::new()),
        4 => (number, "(tcp|udp|sctp)").prop_map(|(port, protocol)| {
            format!(", protocols: [{{{protocol}: {{destinationPort: {{number: {port}}}}}}}]")
        }),
        1 => Just(", protocols: [{tcp: {destinationPort: {range: {start: 5000, end: 9100}}}}]".to_owned()),
        1 => Just(", protocols: [{tcp: {destinationPort: {number: 443}}}, {udp: {destinationPort: {range: {start: 1, end: 65535}}}}]".to_owned()),
    ]
}

/// Names of ports: that of a pod, one that no pod has, one that is too long to be a name, and digits.
fn port_names() -> impl Strategy<Value = String> {
    select(vec!["web", "web", "WEB", "a-very-long-port-name", "\"5432\""])
        .prop_map(|name| format!(", protocols: [{{destinationNamedPort: {name}}}]"))
}
