use serde_json::json;

use super::*;
use crate::fixture::{Answer, server};

#[test]
fn the_shipped_rules_are_those_needed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../clusters/rbac.yaml");
    let shipped = std::fs::read_to_string(path).unwrap_or_default();
    assert!(shipped == rbac(), "write this to clusters/rbac.yaml:\n{}", rbac());
}

#[test]
fn needs_are_in_order() {
    for rules in [NEEDED, BORROWING] {
        let keys: Vec<_> = rules.iter().map(|rule| (rule.group, rule.resource)).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        for rule in rules {
            assert!(rule.verbs.is_sorted(), "{rule:?}");
        }
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_listed() {
    let (connection, log) = server(|asked| {
        let wanted = &asked.body["spec"]["resourceAttributes"];
        let denied =
            wanted["resource"] == "leases" || wanted["subresource"] == "exec" && wanted["verb"] == "create";
        Answer::Json(201, json!({"metadata": {}, "spec": asked.body["spec"], "status": {"allowed": !denied}}))
    });
    let missing: Vec<String> = missing(&connection).await.unwrap().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(missing.join("\n"), @"
    create pods/exec
    create leases.coordination.k8s.io
    delete leases.coordination.k8s.io
    get leases.coordination.k8s.io
    update leases.coordination.k8s.io
    ");
    let asked = log.text();
    let asked = asked.lines().find(|line| line.contains("exec")).unwrap();
    insta::assert_snapshot!(asked, @r#"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews? {"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","metadata":{},"spec":{"resourceAttributes":{"group":"","resource":"pods","subresource":"exec","verb":"create"}}}"#);
}

#[tokio::test]
async fn what_borrowing_needs_is_asked_for_one_namespace() {
    let (connection, log) = server(|asked| {
        let allowed = asked.body["spec"]["resourceAttributes"]["subresource"] == "attach";
        Answer::Json(201, json!({"metadata": {}, "spec": asked.body["spec"], "status": {"allowed": allowed}}))
    });
    let missing = missing_to_borrow(&connection, "shop").await.unwrap();
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(missing, ["get pods", "patch pods/ephemeralcontainers"]);
    assert_eq!(log.text().lines().filter(|line| line.contains(r#""namespace":"shop""#)).count(), 4);
    assert_eq!(log.text().lines().count(), 4);
}
