use std::fs;

use verdikt_scenario::loader::load;

use super::*;

/// The first step of a scenario with this topology, attempt and policies.
fn step(topology: &str, attempt: &str, policies: &str) -> Step {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenario.yaml");
    let text = format!(
        "scenario: fitness\nabout: Why.\ntopology:\n  namespaces: {{shop: {{}}}}\n  pods:\n    shop/web: {{labels: {{app: \
         web}}, serves: [http 80]}}\n{topology}steps:\n- step: one\n  expect:\n    {attempt}: {{allow: others}}\n{policies}"
    );
    fs::write(&path, text).unwrap();
    let mut loaded = load(&[path]);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.scenarios.remove(0).steps.remove(0)
}

#[test]
fn services_from_outside() {
    let check = |service_type: &str, attempt: &str, expected: Option<&str>| {
        let topology = format!(
            "  services:\n    shop/front: {{type: {service_type}, selects: {{app: web}}, ports: {{80: 80}}}}\n  world: \
             {{office: {{}}}}\n"
        );
        let step = step(&topology, attempt, "");
        let found = step.table.iter().find_map(|row| from_outside_to_service(&step.topology, row));
        assert_eq!(
            found.map(|(host, target)| format!("{host} to {target}")).as_deref(),
            expected,
            "{attempt}"
        );
    };
    check("ClusterIP", "tcp shop/front:80", Some("office to shop/front"));
    check("NodePort", "tcp shop/front:80", None);
    check("LoadBalancer", "http GET shop/front:80/", None);
    let by_name = "front.shop.svc.cluster.local";
    check("NodePort", &format!("tcp {by_name}:80"), Some(&format!("office to {by_name}")));
}

#[test]
fn api_servers_behind_a_tunnel() {
    let check = |tunnels: bool, node: &str, entity: &str, expected: Option<&str>| {
        let topology = format!("  nodes: {{{node}: {{apiServer: true}}}}\n");
        let policies = format!(
            "  policies: [guard]\n---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: guard, \
             namespace: shop}}\nspec:\n  endpointSelector: {{}}\n  ingress: [{{fromEntities: [{entity}]}}]\n"
        );
        let step = step(&topology, "tcp shop/web:80", &policies);
        assert_eq!(hidden_api_server(tunnels, &step).map(HostName::as_str), expected, "{node} {entity}");
    };
    check(true, "control-plane", "kube-apiserver", Some("control-plane"));
    check(false, "control-plane", "kube-apiserver", None);
    check(true, "control-plane", "remote-node", None);
    check(true, "host", "kube-apiserver", None);
}
