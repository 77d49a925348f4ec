use std::fs;

use verdikt_scenario::loader::load;

use super::*;

#[test]
fn services_from_outside() {
    let check = |service_type: &str, attempt: &str, expected: Option<&str>| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenario.yaml");
        let text = format!(
            "scenario: doors\nabout: Why.\ntopology:\n  namespaces: {{shop: {{}}}}\n  pods:\n    shop/web: {{labels: {{app: web}}, \
             serves: [http 80]}}\n  services:\n    shop/front: {{type: {service_type}, selects: {{app: web}}, ports: \
             {{80: 80}}}}\n  world: {{office: {{}}}}\nsteps:\n- step: one\n  expect:\n    {attempt}: {{allow: others}}\n"
        );
        fs::write(&path, text).unwrap();
        let loaded = load(&[path]);
        assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
        let step = &loaded.scenarios[0].steps[0];
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
