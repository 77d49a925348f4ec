use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use verdikt_scenario::loader::load;

use super::*;

/// A step that is over before the one that matters.
const FIRST: &str = "- step: first\n  expect: {tcp shop/api:80: {allow: others}}\n";

fn policy(kind: &str, namespace: &str) -> String {
    let metadata = if namespace.is_empty() { String::new() } else { format!(", namespace: {namespace}") };
    format!(
        "---\napiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: closed{metadata}}}\n\
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
    let host = |address: &str, more: &str| format!("  world: {{host: {{address: {address}{more}}}}}\n");
    let named = ", names: [a.example.test]";
    let asks = |name: &str| format!("- step: asks\n  expect: {{dns {name}: {{allow: others}}}}\n");
    vec![
        make("plain", "", "", ""),
        make("same-namespace", "", "", ""),
        make("policy", "", closed, &policy("CiliumNetworkPolicy", "shop")),
        make("clusterwide", "", closed, &policy("CiliumClusterwideNetworkPolicy", "")),
        make("policy-elsewhere", "", closed, &policy("CiliumNetworkPolicy", "plain")),
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
    let footprints: Vec<Footprint> = loaded.scenarios.iter().map(Footprint::of).collect();
    let mut text = String::new();
    for (scenario, one) in loaded.scenarios.iter().zip(&footprints) {
        let others = loaded.scenarios.iter().zip(&footprints);
        let met: Vec<&str> = others
            .filter(|(other, footprint)| {
                assert_eq!(one.meets(footprint), footprint.meets(one), "both ways");
                other.name != scenario.name && one.meets(footprint)
            })
            .map(|(other, _)| other.name.as_str())
            .collect();
        writeln!(text, "{}: {}", scenario.name, met.join(", ")).unwrap();
        assert!(one.meets(one), "{}", scenario.name);
        assert!(!one.meets(&Footprint::default()), "one that is not run meets nobody");
    }
    insta::assert_snapshot!(text, @"");
}
