use rstest::rstest;
use serde_json::json;

use super::*;
use crate::fixture::{FixtureAnswer, FixtureRequest, absent, list, server};

/// An object, with a UID that tells its kind.
fn object(namespace: &str, name: &str) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name, "uid": format!("u-{name}")}})
}

/// A cluster with something of every kind, in a namespace of ours, in one that is not, and in that of others.
fn full(asked: &FixtureRequest) -> FixtureAnswer {
    let path = asked.path.split('?').next().unwrap();
    let ours = json!({"verdikt.dev/owner": "verdikt", "verdikt.dev/run": "run-1"});
    let marked = |namespace: &str, name: &str, place: &str, marks: &Value| json!({"metadata": {"namespace": namespace, "name": name, "uid": format!("u-{name}"), place: marks}});
    let pod = |namespace: &str, marks: &Value| marked(namespace, "cart", "annotations", marks);
    if asked.method == "DELETE" {
        return FixtureAnswer::Json(200, json!({}));
    }
    if asked.path.contains("fieldSelector") {
        return if asked.is_watch() { FixtureAnswer::Events(Vec::new()) } else { list(&json!([])) };
    }
    match path.rsplit('/').next().unwrap() {
        "namespaces" => list(&json!([
            marked("", "shop", "annotations", &ours),
            marked("", "prod", "annotations", &json!({"verdikt.dev/owner": "administrator"})),
            // As earlier versions marked it.
            marked("", "shop-before", "labels", &ours),
        ])),
        "ciliumcidrgroups" if path.contains("/v2/") => list(&json!([
            marked("", "ours", "annotations", &ours),
            marked("", "theirs", "annotations", &json!({})),
        ])),
        "pods" => list(&json!([pod("shop", &ours), pod("default", &ours), pod("prod", &json!({}))])),
        "services" => list(&json!([object("shop", "api"), object("default", "api")])),
        "endpointslices" => list(&json!([
            object("default", "outside"),
            {"metadata": {"namespace": "default", "name": "api-x1", "uid": "u", "ownerReferences": []}},
        ])),
        "ciliumlocalredirectpolicies" => list(&json!([object("shop", "metadata")])),
        "ciliumclusterwidenetworkpolicies" => list(&json!([object("", "all")])),
        "networkpolicies" => list(&json!([object("shop", "closed")])),
        _ => absent(),
    }
}

#[tokio::test]
async fn policies_go_first_and_namespaces_last() {
    let (connection, log) = server(full);
    let whose = CleanScope::Run("run-1".parse().unwrap());
    let removed = clean(&connection, &whose, &WaitProgress::default()).await.unwrap();
    let removed: Vec<String> = removed.iter().map(ToString::to_string).collect();
    let asked = log.text();
    let deletions: Vec<&str> = asked
        .lines()
        .filter(|line| line.starts_with("DELETE"))
        .map(|line| line.split(" {").next().unwrap())
        .collect();
    insta::assert_snapshot!(deletions.join("\n"), @"
    DELETE /apis/cilium.io/v2/ciliumclusterwidenetworkpolicies/all
    DELETE /apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/closed
    DELETE /apis/cilium.io/v2/ciliumcidrgroups/ours
    DELETE /apis/cilium.io/v2/namespaces/shop/ciliumlocalredirectpolicies/metadata
    DELETE /api/v1/namespaces/default/pods/cart
    DELETE /api/v1/namespaces/default/services/api
    DELETE /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/outside
    DELETE /api/v1/namespaces/shop
    DELETE /api/v1/namespaces/shop-before
    ");
    // What has taken the name of what was listed is somebody else's.
    let unguarded =
        |line: &&str| line.starts_with("DELETE") && !line.contains(r#""preconditions":{"uid":"u-"#);
    assert_eq!(asked.lines().find(unguarded), None);
    insta::assert_snapshot!(removed.join("\n"), @"
    CiliumCIDRGroup ours
    CiliumClusterwideNetworkPolicy all
    CiliumLocalRedirectPolicy shop/metadata
    EndpointSlice default/outside
    Namespace shop
    Namespace shop-before
    NetworkPolicy shop/closed
    Pod default/cart
    Service default/api
    ");
    let selected = asked.lines().find(|line| line.contains("clusterwide")).unwrap();
    insta::assert_snapshot!(selected, @"GET /apis/cilium.io/v2/ciliumclusterwidenetworkpolicies?limit=500&labelSelector=verdikt.dev%2Fowner%3Dverdikt%2Cverdikt.dev%2Frun%3Drun-1");
}

/// Those that Kubernetes has still to empty are waited for, and after `verdikt clean` all.
#[rstest]
#[case::of_a_run(CleanScope::Run("run-1".parse().unwrap()), &["shop"])]
#[case::of_all(CleanScope::AllRunsForced, &["shop", "shop-before"])]
#[tokio::test]
async fn empty_namespaces_of_a_run_are_not_waited_for(#[case] scope: CleanScope, #[case] expected: &[&str]) {
    let (connection, log) = server(full);
    clean(&connection, &scope, &WaitProgress::default()).await.unwrap();
    let asked = log.text();
    let awaited = asked.lines().filter_map(|line| line.split_once("fieldSelector=metadata.name%3D"));
    let awaited: BTreeSet<&str> =
        awaited.map(|(_, rest)| rest.split('&').next().unwrap_or_default()).collect();
    assert_eq!(awaited, expected.iter().copied().collect(), "{asked}");
}

/// The next scenario may want the same namespace, and to remove one takes longer than most scenarios.
#[tokio::test]
async fn the_namespaces_of_a_scenario_are_emptied_and_stay() {
    let (connection, log) = server(full);
    let whose = CleanScope::Run("run-1".parse::<RunId>().unwrap().scenario(3));
    clean(&connection, &whose, &WaitProgress::default()).await.unwrap();
    let text = log.text();
    let asked: Vec<&str> =
        text.lines().filter(|line| line.contains("/services/") && line.starts_with("DELETE")).collect();
    let asked: Vec<&str> = asked.iter().map(|line| line.split(" {").next().unwrap_or_default()).collect();
    assert_eq!(
        asked,
        ["DELETE /api/v1/namespaces/shop/services/api", "DELETE /api/v1/namespaces/default/services/api"]
    );
    assert!(!text.contains("DELETE /api/v1/namespaces/shop {"), "{text}");
}

/// What the other scenarios and the run itself have stays, the lease with it.
#[tokio::test]
async fn one_scenario_removes_its_own() {
    let (connection, log) = server(|asked| {
        let path = asked.path.split('?').next().unwrap();
        if asked.method == "DELETE" {
            return FixtureAnswer::Json(200, json!({}));
        }
        let pod = |name: &str, marks: Value| json!({"metadata": {"namespace": "default", "name": name, "annotations": marks}});
        let marks = |run: &str, scenario: &str| json!({"verdikt.dev/owner": "verdikt", "verdikt.dev/run": run, "verdikt.dev/scenario": scenario});
        let whole = json!({"verdikt.dev/owner": "verdikt", "verdikt.dev/run": "run-1"});
        match path.rsplit('/').next().unwrap() {
            "pods" => list(&json!([
                pod("ours", marks("run-1", "3")),
                pod("of-the-next", marks("run-1", "4")),
                pod("of-another-run", marks("run-2", "3")),
                pod("of-the-run", whole),
                pod("foreign", Value::Null),
            ])),
            "verdikt" => {
                FixtureAnswer::Json(200, json!({"metadata": {}, "spec": {"holderIdentity": "run-1"}}))
            }
            _ => absent(),
        }
    });
    let run: RunId = "run-1".parse().unwrap();
    let of = async |whose: CleanScope| {
        let removed = clean(&connection, &whose, &WaitProgress::default()).await.unwrap();
        removed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    insta::assert_snapshot!(of(CleanScope::Run(run.scenario(3))).await, @"Pod default/ours");
    let text = log.text();
    let selected = text.lines().find(|line| line.contains("clusterwide")).unwrap();
    insta::assert_snapshot!(selected, @"GET /apis/cilium.io/v2/ciliumclusterwidenetworkpolicies?limit=500&labelSelector=verdikt.dev%2Fowner%3Dverdikt%2Cverdikt.dev%2Frun%3Drun-1%2Cverdikt.dev%2Fscenario%3D3");
    insta::assert_snapshot!(of(CleanScope::Run(run)).await, @"Lease verdikt-system/verdikt, Pod default/of-the-next, Pod default/of-the-run, Pod default/ours");
    insta::assert_snapshot!(of(CleanScope::AllRunsForced).await, @"Lease verdikt-system/verdikt, Pod default/of-another-run, Pod default/of-the-next, Pod default/of-the-run, Pod default/ours");
}

#[tokio::test]
async fn nothing_left_is_nothing_removed() {
    let (connection, _) = server(|_| absent());
    let removed = clean(&connection, &CleanScope::AllRuns, &WaitProgress::default()).await.unwrap();
    assert_eq!(removed, []);
}

#[tokio::test]
async fn a_run_under_way_is_not_disturbed() {
    let (connection, log) = server(|_| {
        let now = k8s_openapi::jiff::Timestamp::now();
        FixtureAnswer::Json(
            200,
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {}, "spec": {
                "holderIdentity": "run-2", "leaseDurationSeconds": 30, "renewTime": now.to_string(),
            }}),
        )
    });
    let error = clean(&connection, &CleanScope::AllRuns, &WaitProgress::default()).await.unwrap_err();
    insta::assert_snapshot!(error, @"the cluster is in use by run run-2, which last renewed its lease 0 s ago: wait until it has ended; should it have died, the lease ends 30 s after its last renewal");
    assert!(!log.text().contains("DELETE"));
}
