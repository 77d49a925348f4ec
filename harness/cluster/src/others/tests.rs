use serde_json::json;

use super::*;
use crate::fixture::{absent, list, server};
use crate::mark::{OWNER, OWNER_KEY};

#[tokio::test]
async fn pods_with_a_network_of_their_own() {
    let pod = |name: &str, spec: Value, phase: &str| {
        json!({"metadata": {"namespace": "bank", "name": name, "labels": {"app": name}},
               "spec": spec, "status": {"phase": phase}})
    };
    let mut ours = pod("ours", json!({}), "Running");
    ours["metadata"]["annotations"][OWNER_KEY] = json!(OWNER);
    let pods = json!([
        pod("ledger", json!({"serviceAccountName": "books"}), "Running"),
        pod("exporter", json!({"hostNetwork": true}), "Running"),
        pod("migration", json!({}), "Succeeded"),
        ours,
    ]);
    let (connection, _) = server(move |asked| match asked.path.split('?').next() {
        Some("/api/v1/namespaces") => {
            list(&json!([{"metadata": {"name": "bank", "labels": {"tier": "gold"}}}]))
        }
        Some("/api/v1/pods") => list(&pods),
        _ => absent(),
    });
    let found = others(&connection).await.unwrap();
    let namespaces = found.namespaces.iter().map(|(name, labels)| format!("{name} {labels:?}"));
    let pods =
        found.pods.iter().map(|(name, pod)| format!("{name} {:?} {:?}", pod.labels, pod.service_account));
    let found: Vec<String> = namespaces.chain(pods).collect();
    insta::assert_snapshot!(found.join("\n"), @r#"
    bank {"tier": "gold"}
    bank/ledger {"app": "ledger"} Some("books")
    "#);
}
