use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use verdikt_scenario::loader::load;

use super::*;

/// A step that is over before the one that matters.
const FIRST: &str = "- step: first\n  expect: {tcp shop/api:80: {allow: others}}\n";

fn policy(kind: &str, namespace: &str) -> String {
    format!(
        "---\napiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: closed{namespace}}}\n\
         spec: {{endpointSelector: {{}}, ingress: [{{}}]}}\n"
    )
}

/// Scenarios by their names: each has two pods in its own namespace, and what is written here.
fn written() -> Vec<(&'static str, String)> {
    let make = |name: &'static str, topology: &str, steps: &str, policies: &str| {
        let namespace = if name == "same-namespace" { "plain" } else { name };
        let text = format!(
            "scenario: {name}\nabout: Why.\ntopology:\n  namespaces: {{shop: {{}}}}\n  pods:\n    shop/cart: {{}}\n    \
             shop/api: {{serves: [tcp 80]}}\n{topology}steps:\n{FIRST}{steps}{policies}"
        );
        (name, text.replace("shop", namespace))
    };
    let closed = "- step: closed\n  policies: [closed]\n  expect: {tcp shop/api:80: {allow: others}}\n";
    let host = |address: &str, more: &str| format!("  world: {{client: {{address: {address}{more}}}}}\n");
    let named = ", names: [a.example.test]";
    let asks = |name: &str| format!("- step: asks\n  expect: {{dns {name}: {{allow: others}}}}\n");
    vec![
        make("plain", "", "", ""),
        make("same-namespace", "", "", ""),
        make("policy", "", closed, &policy("CiliumNetworkPolicy", ", namespace: shop")),
        make("clusterwide", "", closed, &policy("CiliumClusterwideNetworkPolicy", "")),
        make("nodes", "  nodes: {host: {}}\n", "", ""),
        make("more-nodes", "  nodes: {host: {}}\n", "", ""),
        make("host", &host("203.0.113.1", ""), "", ""),
        make("same-address", &host("203.0.113.1", ""), "", ""),
        make("named", &host("203.0.113.2", named), "", ""),
        make("asks", "", &asks("nobody.example.test"), ""),
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
    let resources: Vec<Resources> = loaded.scenarios.iter().map(Resources::of).collect();
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
    plain: same-namespace, clusterwide
    same-namespace: plain, clusterwide
    policy: clusterwide
    clusterwide: plain, same-namespace, policy, nodes, more-nodes, host, same-address, named, asks, asks-the-cluster
    nodes: clusterwide, more-nodes
    more-nodes: clusterwide, nodes
    host: clusterwide, same-address
    same-address: clusterwide, host
    named: clusterwide, asks
    asks: clusterwide, named
    asks-the-cluster: clusterwide
    ");
}
