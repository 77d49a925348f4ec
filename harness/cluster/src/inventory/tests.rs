use serde_json::json;

use super::*;
use crate::fixture::{FixtureAnswer, absent, list, server, status};

#[tokio::test]
async fn objects_are_listed_and_missing_rights_are_told() {
    let owned = json!([{"kind": "ReplicaSet", "name": "web-1", "controller": true}]);
    let of_node = json!([{"kind": "Node", "name": "n", "controller": true}]);
    let of_verdikt = json!({"verdikt.dev/owner": "verdikt"});
    let (connection, log) = server(move |asked| match asked.path.split('?').next() {
        Some("/api/v1/namespaces") => list(&json!([
            {"metadata": {"name": "shop", "uid": "1"}},
            {"metadata": {"name": "verdikt-system", "annotations": of_verdikt}},
        ])),
        Some("/apis/apps/v1/deployments") => list(&json!([
            {"metadata": {"name": "web", "namespace": "shop", "managedFields": []}, "spec": {}, "status": {"replicas": 1}}
        ])),
        Some("/api/v1/pods") => list(&json!([
            {"metadata": {"name": "web-1-x", "namespace": "shop", "ownerReferences": owned}},
            {"metadata": {"name": "static", "namespace": "kube-system", "ownerReferences": of_node}},
        ])),
        Some("/apis/cilium.io/v2/ciliumcidrgroups" | "/apis/cilium.io/v2alpha1/ciliumcidrgroups") => {
            list(&json!([{"metadata": {"name": "partners"}}]))
        }
        Some("/apis/batch/v1/jobs") => {
            let message = "jobs.batch is forbidden: User \"ci\" cannot list resource \"jobs\" in API group \"batch\" at the cluster scope";
            status(403, "Forbidden", message)
        }
        Some("/apis/batch/v1") => {
            let jobs = json!([{"name": "jobs", "singularName": "job", "namespaced": true, "kind": "Job", "verbs": ["list"]}]);
            let kinds = json!({"kind": "APIResourceList", "groupVersion": "batch/v1", "resources": jobs});
            FixtureAnswer::Json(200, kinds)
        }
        // Who may not list a kind is told so although nobody knows it.
        Some("/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies") => {
            let message = "clusternetworkpolicies.policy.networking.k8s.io is forbidden: User \"ci\" cannot list resource \"clusternetworkpolicies\" in API group \"policy.networking.k8s.io\" at the cluster scope";
            status(403, "Forbidden", message)
        }
        _ => absent(),
    });
    let read = inventory(&connection).await.unwrap();
    let objects: Vec<String> = read.manifests.iter().map(|manifest| manifest.object().to_string()).collect();
    assert_eq!(
        objects,
        ["Namespace shop", "Deployment shop/web", "Pod kube-system/static", "CiliumCIDRGroup partners"]
    );
    assert_eq!(Vec::from_iter(read.missing), ["list jobs.batch"]);
    let web = &read.manifests[1].root;
    assert!(web.get("status").is_none() && web.at(&["metadata", "managedFields"]).is_none());
    assert_eq!(web.get("apiVersion").and_then(|node| node.text()), Some("apps/v1"));
    assert!(log.text().lines().all(|line| line.starts_with("GET ")), "{}", log.text());
}
