//! What is told of a `ClusterNetworkPolicy`: warnings, refusals, and the rules behind a verdict.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::sync::Arc;

use verdikt_engine::lint::lint;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_engine::refusal::RefusalKind;
use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::document;
use verdikt_scenario::policy::{Manifest, Refuser};
use verdikt_scenario::topology::{Endpoint, Node, Pod, Port, Protocol, Topology, WorldHost};
use verdikt_scenario::version::CiliumVersion;

/// A pod of each of two teams, the node, and a host outside.
fn topology() -> Topology {
    let mut topology = Topology::default();
    for team in ["red", "blue"] {
        topology.namespaces.insert(team.parse().unwrap(), [("team".to_owned(), team.to_owned())].into());
        let labels = [("app".to_owned(), team.to_owned())].into();
        topology.pods.insert(format!("{team}/pod").parse().unwrap(), Pod { labels, ..Pod::default() });
    }
    topology.nodes.insert("host".parse().unwrap(), Node::default());
    let address = "203.0.113.10".parse().unwrap();
    let host =
        WorldHost { address, names: [].into(), aliases: [].into(), api_server: false, serves: Vec::new() };
    topology.world.insert("client".parse().unwrap(), host);
    topology.settings.cluster_network_policy = true;
    topology
}

fn parse(text: &str) -> Manifest {
    Manifest { file: Arc::from("p.yaml"), root: document::parse(text).unwrap().remove(0) }
}

/// A policy for pods of the team blue.
fn policy(name: &str, tier: &str, priority: i64, rules: &str) -> Manifest {
    parse(&format!(
        "{{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {{name: {name}}}, spec: \
         {{tier: {tier}, priority: {priority}, subject: {{namespaces: {{matchLabels: {{team: blue}}}}}}, {rules}}}}}"
    ))
}

fn isolation() -> Manifest {
    parse(
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: isolate, namespace: blue}, \
         spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}",
    )
}

/// The codes of warnings that are about this kind, or that it shares.
const OURS: [&str; 6] = [
    "baseline-opens",
    "cidr-for-pods",
    "dns-rules-replaced",
    "equal-priorities",
    "misread-value",
    "pass-lags",
];

/// The codes of the warnings, with and without the topology.
fn codes(manifests: &[Manifest]) -> [Vec<String>; 2] {
    let topology = topology();
    [Some(&topology), None].map(|topology| {
        let decisions = lint(topology, manifests, &ModelOptions::default());
        assert_eq!(decisions.refusals, []);
        let codes = decisions.warnings.into_iter().filter_map(|warning| warning.code);
        codes.filter(|code| OURS.contains(&code.as_str())).collect()
    })
}

const FROM_RED: &str = "from: [{namespaces: {matchLabels: {team: red}}}]";

#[rstest::rstest]
#[case::a_misspelt_operator(
    "ingress: [{action: Deny, from: [{namespaces: {matchExpressions: [{key: team, operator: in, values: [red]}]}}]}]"
)]
#[case::a_name_that_no_port_has(
    "ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{destinationNamedPort: a_port}]}]"
)]
#[case::digits_as_a_name(
    "ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{destinationNamedPort: \"443\"}]}]"
)]
#[case::a_name_in_upper_case(
    "ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{destinationNamedPort: HTTP}]}]"
)]
#[case::namespaces_that_only_exclude(
    "ingress: [{action: Deny, from: [{namespaces: {matchExpressions: [{key: team, operator: NotIn, values: [red]}]}}]}]"
)]
fn values_that_are_read_as_something_else(#[case] rules: &str) {
    for codes in codes(&[policy("p", "Admin", 5, rules)]) {
        assert_eq!(codes, ["misread-value"]);
    }
}

#[test]
fn sound_values_cause_no_warning() {
    let rules = "ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: red}}}, {pods: {podSelector: {}, \
                 namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [blue]}]}}}], \
                 protocols: [{destinationNamedPort: http}]}]";
    assert_eq!(codes(&[policy("p", "Admin", 5, rules)]), [[""; 0]; 2]);
}

#[test]
fn a_peer_that_is_not_known_is_refused_and_explained() {
    let policies = [policy("p", "Admin", 5, "ingress: [{action: Pass, from: [{}]}]")];
    let decisions = lint(Some(&topology()), &policies, &ModelOptions::default());
    assert_eq!(decisions.refusals.len(), 1);
    let mut warnings = decisions.warnings.iter();
    let warning = warnings.find(|warning| warning.code.as_deref() == Some("misread-value")).unwrap();
    assert!(warning.message.contains("the Pass denies everyone"), "{warning:?}");
}

#[test]
fn relations_between_policies() {
    let check = |policies: &[Manifest], expected: &[&str]| {
        for codes in codes(policies) {
            assert_eq!(codes, expected);
        }
    };
    let accept = format!("ingress: [{{action: Accept, {FROM_RED}}}]");
    let deny = format!("ingress: [{{action: Deny, {FROM_RED}}}]");
    let pass = format!("ingress: [{{action: Pass, {FROM_RED}}}]");
    check(&[policy("p", "Baseline", 5, &accept), isolation()], &["baseline-opens"]);
    check(&[policy("p", "Admin", 5, &accept), isolation()], &[]);
    check(&[policy("p", "Admin", 5, &accept), policy("q", "Admin", 5, &deny)], &["equal-priorities"]);
    check(&[policy("p", "Admin", 5, &accept), policy("q", "Admin", 6, &deny)], &[]);
    check(&[policy("p", "Admin", 5, &accept), policy("q", "Admin", 5, &accept)], &[]);
    check(&[policy("p", "Admin", 5, &pass), isolation()], &["pass-lags"]);
    check(&[policy("p", "Admin", 5, &pass)], &[]);
    let names = "egress: [{action: Accept, to: [{domainNames: [api.example.test]}]}]";
    let dns = parse(
        "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: dns, namespace: blue}, spec: \
         {endpointSelector: {}, egress: [{toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, \
         k8s-app: kube-dns}}], toPorts: [{ports: [{port: \"53\", protocol: ANY}], rules: {dns: [{matchPattern: \"*\"}]}}]}]}}",
    );
    check(&[policy("p", "Admin", 5, names), dns.clone()], &["dns-rules-replaced"]);
    check(&[policy("p", "Baseline", 5, names), dns], &["baseline-opens", "dns-rules-replaced"]);
    check(&[policy("p", "Admin", 5, names), isolation()], &[]);
    let block = "egress: [{action: Accept, to: [{networks: [10.244.0.0/16]}]}]";
    check(&[policy("p", "Admin", 5, block)], &["cidr-for-pods"]);
}

#[test]
fn who_refuses_what() {
    let nodes =
        format!("ingress: [{{action: Deny, {FROM_RED}}}], egress: [{{action: Deny, to: [{{nodes: {{}}}}]}}]");
    let check = |manifest: &Manifest, on: bool, version: CiliumVersion, expected: (Refuser, RefusalKind)| {
        let mut topology = topology();
        topology.settings.cluster_network_policy = on;
        let manifests = std::slice::from_ref(manifest);
        let options = ModelOptions { version, ..ModelOptions::default() };
        let model = PolicyModel::new(&topology, manifests, &options, &LearnedNames::default());
        let refused = model.acceptances()[0].refused().unwrap();
        assert_eq!((refused.by, refused.kind.clone()), expected, "{}", refused.message);
        assert_eq!(refused.hidden, refused.by == Refuser::Agent);
    };
    let newest = CiliumVersion::V1_20;
    let sound = policy("p", "Admin", 5, "");
    check(&sound, false, newest, (Refuser::Agent, RefusalKind::NotEnforced));
    check(&sound, true, CiliumVersion::V1_19, (Refuser::Agent, RefusalKind::NotEnforced));
    check(&policy("p", "Admin", 5, &nodes), true, newest, (Refuser::Agent, RefusalKind::NodeLabelsOff));
    let unknown = policy("p", "Admin", 5, "rules: []");
    check(
        &unknown,
        true,
        newest,
        (Refuser::ApiServer, RefusalKind::UnknownField { path: "spec.rules".to_owned(), meant: None }),
    );
    let unknown_word = RefusalKind::UnknownWord { meant: None };
    check(&policy("p", "Normal", 5, ""), true, newest, (Refuser::ApiServer, unknown_word));
    check(&policy("p", "Admin", -1, ""), true, newest, (Refuser::ApiServer, RefusalKind::InvalidValue));
}

/// The checks of an attempt from red to blue, a line each.
fn explained(policies: &[Manifest]) -> String {
    let topology = topology();
    let model = PolicyModel::new(&topology, policies, &ModelOptions::default(), &LearnedNames::default());
    let [red, blue] = ["red/pod", "blue/pod"].map(|name| Endpoint::Pod(name.parse().unwrap()));
    let port = Port::new(80).unwrap();
    let attempt = Attempt::Connect { protocol: Protocol::Tcp, target: Target::Endpoint(blue), port };
    let prediction = model.predict(&red, &attempt);
    let checks: Vec<String> = prediction
        .checks
        .iter()
        .map(|check| match &check.decision {
            verdikt_scenario::prediction::Decision::PassedOn { by } => format!("passed on by {}", by[0]),
            verdikt_scenario::prediction::Decision::Allowed { by } => format!("allowed by {}", by[0]),
            verdikt_scenario::prediction::Decision::Denied { by } => format!("denied by {}", by[0]),
            other => format!("{other:?}"),
        })
        .collect();
    checks.join("\n")
}

#[test]
fn findings_name_the_rule_with_its_tier_and_priority() {
    let pass = format!("ingress: [{{action: Pass, {FROM_RED}}}]");
    let deny = format!(
        "ingress: [{{action: Accept, from: [{{namespaces: {{matchLabels: {{team: none}}}}}}]}}, {{action: Deny, {FROM_RED}}}]"
    );
    insta::assert_snapshot!(explained(&[policy("first", "Admin", 5, &pass), policy("last", "Baseline", 7, &deny)]), @r"
    NotIsolated
    passed on by ClusterNetworkPolicy first spec.ingress[0] (Admin, priority 5)
    denied by ClusterNetworkPolicy last spec.ingress[1] (Baseline, priority 7.01)
    ");
}
