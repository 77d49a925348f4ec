use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use verdikt_scenario::loader::load;

use super::*;

/// A step that is over before the one that matters.
const FIRST: &str = "- step: first\n  expect: {tcp shop/api:80: {allow: others}}\n";

fn policy(kind: &str, namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: closed{namespace}}}\n\
         spec: {{{spec}, ingress: [{{}}]}}\n"
    )
}

/// A clusterwide policy of its own name.
fn clusterwide(name: &str, spec: &str) -> String {
    policy("CiliumClusterwideNetworkPolicy", "", spec).replace("closed", name)
}

/// Whoever has a label.
fn labelled(key: &str, value: &str) -> String {
    format!("endpointSelector: {{matchLabels: {{{key}: {value}}}}}")
}

/// Scenarios by their names: each has two pods in its own namespace, and what is written here.
fn written() -> Vec<(&'static str, String)> {
    let make = |name: &'static str, topology: &str, steps: &str, policies: &str| {
        let namespace = if name == "same-namespace" { "plain" } else { name };
        let text = format!(
            "scenario: {name}\nabout: Why.\ntopology:\n  namespaces: {{shop: {{}}}}\n  pods:\n    shop/cart: {{}}\n    \
             shop/api: {{labels: {{app: api}}, serves: [tcp 80]}}\n{topology}steps:\n{FIRST}{steps}{policies}"
        );
        (name, text.replace("shop", namespace))
    };
    let step = |policy: &str| {
        format!("- step: closed\n  policies: [{policy}]\n  expect: {{tcp shop/api:80: {{allow: others}}}}\n")
    };
    let closed = &step("closed");
    let everybody = "endpointSelector: {}";
    let ruled = |name: &'static str, spec: &str| make(name, "", &step(name), &clusterwide(name, spec));
    let host = |address: &str, more: &str| format!("  world: {{client: {{address: {address}{more}}}}}\n");
    let named = ", names: [a.example.test]";
    let asks = |name: &str| format!("- step: asks\n  expect: {{dns {name}: {{allow: others}}}}\n");
    vec![
        make("plain", "", "", ""),
        make("same-namespace", "", "", ""),
        make("policy", "", closed, &policy("CiliumNetworkPolicy", ", namespace: shop", everybody)),
        ruled("clusterwide", everybody),
        ruled("of-one-namespace", &labelled("io.kubernetes.pod.namespace", "plain")),
        ruled("of-the-dns-server", &labelled("k8s-app", "kube-dns")),
        ruled("of-nodes", "nodeSelector: {matchLabels: {rack: one}}"),
        ruled("of-its-own", &labelled("app", "cart")),
        ruled("refused", "endpoints: {}"),
        make("of-that-name", "", &step("of-its-own"), &clusterwide("of-its-own", &labelled("app", "other"))),
        make("nodes", "  nodes: {host: {}}\n", "", ""),
        make("more-nodes", "  nodes: {host: {}}\n", "", ""),
        make("serving-nodes", "  nodes: {host: {serves: [tcp 90]}}\n", "", ""),
        make("host", &host("203.0.113.1", ""), "", ""),
        make("same-address", &host("203.0.113.1", ""), "", ""),
        make("serving-there", &host("203.0.113.1", ", serves: [tcp 80]"), "", ""),
        make(
            "redirecting",
            &format!(
                "  redirects: {{shop/led: {{from: client, selects: {{app: api}}, ports: {{90: 80}}}}}}\n{}",
                host("203.0.113.1", "")
            ),
            "",
            "",
        ),
        make("named", &host("203.0.113.2", named), "", ""),
        make("asks", "", &asks("a.example.test"), ""),
        make("asks-another", "", &asks("nobody.example.test"), ""),
        make("asks-the-cluster", "", &asks("api.shop.svc.cluster.local"), ""),
    ]
}

#[test]
fn who_meets_whom() {
    let folder = tempfile::tempdir().unwrap();
    let write = |(name, text): &(&str, String)| {
        let path = folder.path().join(format!("{name}.yaml"));
        fs::write(&path, text).unwrap();
        path
    };
    let paths: Vec<PathBuf> = written().iter().map(write).collect();
    let loaded = load(&paths);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let resources: Vec<Resources> =
        loaded.scenarios.iter().map(|it| Resources::of(it, CiliumVersion::default())).collect();
    let mut text = String::new();
    for (scenario, one) in loaded.scenarios.iter().zip(&resources) {
        let others = loaded.scenarios.iter().zip(&resources);
        let met: Vec<&str> = others
            .filter(|(other, resources)| {
                assert_eq!(one.conflicts_with(resources), resources.conflicts_with(one), "both ways");
                other.name != scenario.name && one.conflicts_with(resources)
            })
            .map(|(other, _)| other.name.as_str())
            .collect();
        writeln!(text, "{}: {}", scenario.name, met.join(", ")).unwrap();
        assert!(one.conflicts_with(one), "{}", scenario.name);
        assert!(!one.conflicts_with(&Resources::default()), "one that is not run conflicts with none");
    }
    insta::assert_snapshot!(text, @"
    plain: same-namespace, clusterwide, of-one-namespace, of-nodes, refused
    same-namespace: plain, clusterwide, of-one-namespace, of-nodes, refused
    policy: clusterwide, of-nodes, refused
    clusterwide: plain, same-namespace, policy, of-one-namespace, of-the-dns-server, of-nodes, of-its-own, refused, of-that-name, nodes, more-nodes, serving-nodes, host, same-address, serving-there, redirecting, named, asks, asks-another, asks-the-cluster
    of-one-namespace: plain, same-namespace, clusterwide, of-nodes, refused
    of-the-dns-server: clusterwide, of-nodes, refused, asks, asks-another, asks-the-cluster
    of-nodes: plain, same-namespace, policy, clusterwide, of-one-namespace, of-the-dns-server, of-its-own, refused, of-that-name, nodes, more-nodes, serving-nodes, host, same-address, serving-there, redirecting, named, asks, asks-another, asks-the-cluster
    of-its-own: clusterwide, of-nodes, refused, of-that-name
    refused: plain, same-namespace, policy, clusterwide, of-one-namespace, of-the-dns-server, of-nodes, of-its-own, of-that-name, nodes, more-nodes, serving-nodes, host, same-address, serving-there, redirecting, named, asks, asks-another, asks-the-cluster
    of-that-name: clusterwide, of-nodes, of-its-own, refused
    nodes: clusterwide, of-nodes, refused, serving-nodes
    more-nodes: clusterwide, of-nodes, refused, serving-nodes
    serving-nodes: clusterwide, of-nodes, refused, nodes, more-nodes
    host: clusterwide, of-nodes, refused, serving-there, redirecting
    same-address: clusterwide, of-nodes, refused, serving-there, redirecting
    serving-there: clusterwide, of-nodes, refused, host, same-address, redirecting
    redirecting: clusterwide, of-nodes, refused, host, same-address, serving-there
    named: clusterwide, of-nodes, refused, asks
    asks: clusterwide, of-the-dns-server, of-nodes, refused, named
    asks-another: clusterwide, of-the-dns-server, of-nodes, refused
    asks-the-cluster: clusterwide, of-the-dns-server, of-nodes, refused
    ");
}
