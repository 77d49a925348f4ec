use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{FixtureAnswer, server};

/// The documents of `clusters/rbac.yaml`.
fn shipped() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../clusters/rbac.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

fn find<'a>(documents: &'a [Value], kind: &str, name: &str, namespace: Option<&str>) -> &'a Value {
    let is_it = |document: &&Value| {
        document["kind"] == kind
            && document["metadata"]["name"] == name
            && document["metadata"]["namespace"].as_str() == namespace
    };
    documents.iter().find(is_it).unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// What a custom rule grants is asked for by the admission policy alone.
const OF_OUR_OWN: &str = "verdikt.dev";

fn rules_of(role: &Value) -> Vec<Value> {
    let rules = role["rules"].as_array().unwrap().iter();
    rules.filter(|rule| rule["apiGroups"][0] != OF_OUR_OWN).cloned().collect()
}

fn written(rules: &[&[AccessRule]]) -> Vec<Value> {
    let one = |rule: &AccessRule| {
        let mut written =
            json!({"apiGroups": [rule.group], "resources": [rule.resource], "verbs": rule.verbs});
        if let Some(name) = rule.name {
            written["resourceNames"] = json!([name]);
        }
        written
    };
    let mut rules: Vec<Value> = rules.concat().iter().map(one).collect();
    rules.sort_by_key(|rule| (rule["apiGroups"].to_string(), rule["resources"].to_string()));
    rules
}

#[test]
fn the_shipped_rules_are_those_needed() {
    let documents = shipped();
    let check = |kind: &str, name: &str, namespace: Option<&str>, rules: &[&[AccessRule]]| {
        assert_eq!(rules_of(find(&documents, kind, name, namespace)), written(rules), "{kind} {name}");
    };
    check("ClusterRole", "verdikt", None, &[EVERYWHERE]);
    check("Role", "verdikt", Some("verdikt-system"), &[IN_SYSTEM]);
    check("Role", "verdikt-cilium", Some("kube-system"), &[OF_CILIUM, FALLBACK]);
    check("ClusterRole", "verdikt-borrow", None, &[BORROWING]);
    check("ClusterRole", "verdikt-clusterwide", None, &[CLUSTERWIDE, REDIRECTING]);
}

#[test]
fn what_reaches_others_is_granted_to_nobody() {
    let documents = shipped();
    let bound: Vec<(&str, &str)> = documents
        .iter()
        .filter(|document| document["kind"].as_str().unwrap().ends_with("RoleBinding"))
        .map(|binding| ["kind", "name"].map(|field| binding["roleRef"][field].as_str().unwrap()).into())
        .collect();
    assert_eq!(bound, [("ClusterRole", "verdikt"), ("Role", "verdikt"), ("Role", "verdikt-cilium")]);
}

/// The policy is the limit of every right to change something that is not one of a single namespace.
#[test]
fn whatever_may_be_changed_is_kept_to_what_is_ours() {
    let documents = shipped();
    let policy = find(&documents, "ValidatingAdmissionPolicy", "verdikt", None);
    let kept: Vec<(String, String)> = policy["spec"]["matchConstraints"]["resourceRules"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|rule| {
            let pairs = rule["apiGroups"].as_array().unwrap().iter().flat_map(|group| {
                rule["resources"].as_array().unwrap().iter().map(move |resource| (group, resource))
            });
            pairs.map(|(group, resource)| {
                (group.as_str().unwrap().to_owned(), resource.as_str().unwrap().to_owned())
            })
        })
        .collect();
    let reads = |rule: &&AccessRule| rule.verbs.iter().all(|verb| ["get", "list", "watch"].contains(verb));
    let changing = EVERYWHERE.iter().chain(OF_CILIUM).chain(FALLBACK).chain(BORROWING);
    for rule in changing.filter(|rule| !reads(rule)) {
        let wanted = (rule.group.to_owned(), rule.resource.to_owned());
        assert!(kept.contains(&wanted), "{wanted:?}");
    }
}

#[rstest]
#[case::everywhere(EVERYWHERE)]
#[case::in_system(IN_SYSTEM)]
#[case::of_cilium(OF_CILIUM)]
#[case::fallback(FALLBACK)]
#[case::borrowing(BORROWING)]
#[case::clusterwide(CLUSTERWIDE)]
#[case::redirecting(REDIRECTING)]
fn needs_are_in_order(#[case] rules: &[AccessRule]) {
    let keys: Vec<_> = rules.iter().map(|rule| (rule.group, rule.resource)).collect();
    assert!(keys.is_sorted(), "{keys:?}");
    for rule in rules {
        assert!(rule.verbs.is_sorted(), "{rule:?}");
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_listed() {
    let (connection, log) = server(|asked| {
        let wanted = &asked.body["spec"]["resourceAttributes"];
        let denied = ["leases", "events"].iter().any(|resource| wanted["resource"] == *resource)
            || wanted["subresource"] == "exec" && wanted["verb"] == "create";
        FixtureAnswer::Json(
            201,
            json!({"metadata": {}, "spec": asked.body["spec"], "status": {"allowed": !denied}}),
        )
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
async fn what_is_needed_of_cilium_is_asked_for_its_namespace() {
    let (connection, log) = server(|asked| {
        let allowed = asked.body["spec"]["resourceAttributes"]["name"] == "cilium-config";
        FixtureAnswer::Json(
            201,
            json!({"metadata": {}, "spec": asked.body["spec"], "status": {"allowed": allowed}}),
        )
    });
    let missing = missing_of_cilium(&connection, "network").await.unwrap();
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(missing, ["create pods/exec", "get pods/exec", "get pods/log"]);
    assert!(log.text().lines().all(|line| line.contains(r#""namespace":"network""#)), "{}", log.text());
}

#[tokio::test]
async fn what_borrowing_needs_is_asked_for_one_namespace() {
    let (connection, log) = server(|asked| {
        let allowed = asked.body["spec"]["resourceAttributes"]["subresource"] == "attach";
        FixtureAnswer::Json(
            201,
            json!({"metadata": {}, "spec": asked.body["spec"], "status": {"allowed": allowed}}),
        )
    });
    let missing = missing_to_borrow(&connection, "shop").await.unwrap();
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(missing, ["get pods", "patch pods/ephemeralcontainers", "get pods/log"]);
    assert_eq!(log.text().lines().filter(|line| line.contains(r#""namespace":"shop""#)).count(), 5);
    assert_eq!(log.text().lines().count(), 5);
}
