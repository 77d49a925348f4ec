use std::collections::BTreeSet;
use std::fs;

use verdikt_cluster::inspect::{CiliumFacts, NodeFacts};
use verdikt_scenario::loader::load;
use verdikt_scenario::topology::{LocalRedirect, Pod, RedirectFrontend};

use super::*;

/// A scenario of two pods in the namespace `shop`, with these policies in one step.
fn scenario(policies: &str) -> Scenario {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenario.yaml");
    let names: Vec<&str> = policies
        .lines()
        .filter_map(|line| line.strip_prefix("metadata: {name: ")?.split([',', '}']).next())
        .collect();
    let text = format!(
        "scenario: guarded\nabout: Why.\ntopology:\n  namespaces: {{shop: {{}}}}\n  pods:\n    shop/web: {{labels: {{app: \
         web}}, serves: [tcp 80]}}\n    shop/cart: {{}}\nsteps:\n- step: one\n  policies: [{}]\n  expect: {{tcp \
         shop/web:80: {{allow: others}}}}\n---\n{policies}",
        names.join(", ")
    );
    fs::write(&path, text).unwrap();
    let mut loaded = load(&[path]);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.scenarios.remove(0)
}

fn clusterwide(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    )
}

#[test]
fn scenarios_with_clusterwide_policies_need_leave() {
    let all = scenario(&clusterwide("all", "endpointSelector: {}, ingress: [{}]"));
    let own = scenario(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: own, namespace: shop}\nspec: \
         {endpointSelector: {}, ingress: [{}]}\n",
    );
    insta::assert_snapshot!(unfit(Clusterwide::Skipped, &all).unwrap(), @"it has a policy that is in force for every pod of the cluster, CiliumClusterwideNetworkPolicy all; `--clusterwide` lists the pods that it selects, and runs it");
    assert_eq!(unfit(Clusterwide::Allowed, &all), None);
    assert_eq!(unfit(Clusterwide::Skipped, &own), None);
}

/// They concern whoever sends to the address from the node.
#[test]
fn scenarios_with_local_redirect_policies_need_leave() {
    let mut redirected = scenario("");
    let redirect = LocalRedirect {
        frontend: RedirectFrontend::Address("169.254.169.254".parse().unwrap()),
        selects: Labels::new(),
        ports: Vec::new(),
        spares_backends: false,
    };
    redirected.steps[0].topology.redirects.insert("shop/metadata".parse().unwrap(), redirect);
    insta::assert_snapshot!(unfit(Clusterwide::Skipped, &redirected).unwrap(), @"it has the local redirect policy shop/metadata, which is in force for every pod of its node; `--clusterwide` runs it");
    assert_eq!(unfit(Clusterwide::Allowed, &redirected), None);
}

#[test]
fn what_clusterwide_policies_select_beyond_the_scenario() {
    let mut others = Topology::default();
    for (namespace, count) in [("bank", 2), ("kube-system", 9), ("shop", 1)] {
        others.namespaces.insert(namespace.parse().unwrap(), Labels::new());
        for number in 1..=count {
            let labels = Labels::from([("app".to_owned(), format!("{namespace}-{number}"))]);
            let name =
                if namespace == "shop" { "shop/web".to_owned() } else { format!("{namespace}/pod-{number}") };
            others.pods.insert(name.parse().unwrap(), Pod { labels, ..Pod::default() });
        }
    }
    let role = ("role".to_owned(), "edge".to_owned());
    let edge = NodeFacts { labels: Labels::from([role]), ..NodeFacts::default() };
    let cilium = CiliumFacts {
        namespace: "kube-system".to_owned(),
        full_version: "1.20.0".to_owned(),
        version: CiliumVersion::V1_20,
        config: BTreeMap::new(),
        kinds: BTreeSet::new(),
        relay: None,
        envoy: false,
    };
    let facts = Facts {
        kubernetes: "v1.36.0".to_owned(),
        nodes: BTreeMap::from([("node1".to_owned(), NodeFacts::default()), ("node2".to_owned(), edge)]),
        api_servers: BTreeSet::new(),
        cilium,
        dns_service: Vec::new(),
        dns_pods: Vec::new(),
        load_balancing: verdikt_cluster::inspect::LoadBalancing::default(),
    };
    let policies = [
        clusterwide("all", "endpointSelector: {}, ingress: [{}]"),
        clusterwide("bank", "endpointSelector: {matchLabels: {app: bank-1}}, ingress: [{}]"),
        clusterwide("edge", "nodeSelector: {matchLabels: {role: edge}}, ingress: [{}]"),
        clusterwide("nobody", "endpointSelector: {matchLabels: {app: web}}, ingress: [{}]"),
    ];
    let scenario = scenario(&policies.join("---\n"));
    let found = reach(&facts, &others, &scenario, CiliumVersion::V1_20);
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(found.join("\n"), @"
    CiliumClusterwideNetworkPolicy all of guarded: 11 pods (bank/pod-1, bank/pod-2, kube-system/pod-1, kube-system/pod-2, kube-system/pod-3, kube-system/pod-4, kube-system/pod-5, kube-system/pod-6, …)
    CiliumClusterwideNetworkPolicy bank of guarded: 1 pod (bank/pod-1)
    CiliumClusterwideNetworkPolicy edge of guarded: 1 node (node2)
    CiliumClusterwideNetworkPolicy nobody of guarded: nothing outside it
    ");
}
