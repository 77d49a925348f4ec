use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::fixture::{FixtureAnswer, absent, list, server, status};

async fn check(
    answers: impl FnMut(&crate::fixture::FixtureRequest) -> FixtureAnswer + Send + 'static,
) -> String {
    let (connection, log) = server(answers);
    let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    let (name, run) = ("shop".parse().unwrap(), "run-1".parse().unwrap());
    let outcome = ensure(&connection, &name, &labels, &run, &WaitProgress::default()).await;
    let outcome = outcome.map_or_else(|error| error.to_string(), |uid| format!("done: {uid}"));
    format!("{}\n{outcome}", log.text())
}

fn namespace(labels: &Value, annotations: &Value) -> FixtureAnswer {
    let metadata = json!({"name": "shop", "uid": "u-1", "labels": labels, "annotations": annotations});
    FixtureAnswer::Json(200, json!({"metadata": metadata}))
}

#[tokio::test]
async fn one_that_does_not_exist_is_made() {
    let seen = check(|asked| {
        if asked.method == "GET" {
            return absent();
        }
        let mut made = asked.body.clone();
        made["metadata"]["uid"] = json!("u-1");
        FixtureAnswer::Json(201, made)
    });
    insta::assert_snapshot!(seen.await, @r#"
    GET /api/v1/namespaces/shop
    POST /api/v1/namespaces?fieldManager=verdikt&fieldValidation=Strict {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","labels":{"team":"a"},"annotations":{"verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}}}
    done: u-1
    "#);
}

#[tokio::test]
async fn one_of_somebody_else_is_never_touched() {
    let seen = check(|_| namespace(&json!({"kubernetes.io/metadata.name": "shop"}), &json!({"team": "b"})));
    insta::assert_snapshot!(seen.await, @"
    GET /api/v1/namespaces/shop
    the namespace shop exists and is not verdikt's: rename it in the scenario, remove it from the cluster, or allow its use with `--borrow`
    ");
}

#[tokio::test]
async fn one_of_another_run_is_never_touched() {
    let mark = json!({"verdikt.dev/owner": "verdikt", "verdikt.dev/run": "run-0"});
    let (annotated, labelled) = (mark.clone(), mark);
    let seen = [
        check(move |_| namespace(&json!({}), &annotated)).await,
        // As earlier versions marked it.
        check(move |_| namespace(&labelled, &json!({}))).await,
    ];
    insta::assert_snapshot!(seen.join("\n"), @"
    GET /api/v1/namespaces/shop
    the namespace shop belongs to run run-0: wait until that run has ended, or remove what it left with `verdikt clean`
    GET /api/v1/namespaces/shop
    the namespace shop belongs to run run-0: wait until that run has ended, or remove what it left with `verdikt clean`
    ");
}

#[tokio::test]
async fn ours_gets_the_labels_of_the_step() {
    let present = json!({"kubernetes.io/metadata.name": "shop", "team": "b", "old": "x"});
    let mark = json!({"verdikt.dev/owner": "verdikt", "verdikt.dev/run": "run-1"});
    let seen = check(move |asked| match asked.method.as_str() {
        "GET" => namespace(&present, &mark),
        _ => FixtureAnswer::Json(200, json!({})),
    });
    insta::assert_snapshot!(seen.await, @r#"
    GET /api/v1/namespaces/shop
    PATCH /api/v1/namespaces/shop?fieldManager=verdikt {"metadata":{"labels":{"old":null,"team":"a"}}}
    done: u-1
    "#);
}

#[tokio::test]
async fn one_of_the_scenario_before_becomes_that_of_the_next() {
    let (connection, log) = server(|asked| match asked.method.as_str() {
        "GET" => {
            let mark = json!({"verdikt.dev/owner": "verdikt", "verdikt.dev/run": "run-1", "verdikt.dev/scenario": "3"});
            namespace(&json!({"team": "a"}), &mark)
        }
        _ => FixtureAnswer::Json(200, json!({})),
    });
    let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    let run: RunId = "run-1".parse().unwrap();
    for scenario in [3, 4] {
        let name = "shop".parse().unwrap();
        ensure(&connection, &name, &labels, &run.scenario(scenario), &WaitProgress::default()).await.unwrap();
    }
    insta::assert_snapshot!(log.text(), @r#"
    GET /api/v1/namespaces/shop
    GET /api/v1/namespaces/shop
    PATCH /api/v1/namespaces/shop?fieldManager=verdikt {"metadata":{"labels":{"team":"a"},"annotations":{"verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1","verdikt.dev/scenario":"4"}}}
    "#);
}

#[tokio::test]
async fn one_that_is_being_removed_is_waited_for() {
    let mut reads = 0;
    let leaving = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": "shop", "uid": "u-0", "resourceVersion": "1", "deletionTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"verdikt.dev/owner": "verdikt", "verdikt.dev/run": "run-0"},
        },
    });
    let seen = check(move |asked| {
        if asked.is_watch() {
            // Somebody else takes the name before this is noticed.
            let mut taken = leaving.clone();
            taken["metadata"] = json!({"name": "shop", "uid": "u-1", "resourceVersion": "2"});
            return FixtureAnswer::Events(vec![json!({"type": "MODIFIED", "object": taken})]);
        }
        if asked.is("GET", "/api/v1/namespaces") {
            return list(&json!([leaving]));
        }
        reads += 1;
        match (asked.method.as_str(), reads) {
            ("GET", 1) => FixtureAnswer::Json(200, leaving.clone()),
            ("GET", _) => absent(),
            _ => FixtureAnswer::Json(201, json!({"metadata": {"uid": "u-2"}})),
        }
    });
    insta::assert_snapshot!(seen.await, @r#"
    GET /api/v1/namespaces/shop
    GET /api/v1/namespaces?&fieldSelector=metadata.name%3Dshop&limit=500
    GET /api/v1/namespaces?&watch=true&timeoutSeconds=290&fieldSelector=metadata.name%3Dshop&allowWatchBookmarks=true&resourceVersion=1
    GET /api/v1/namespaces/shop
    POST /api/v1/namespaces?fieldManager=verdikt&fieldValidation=Strict {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","labels":{"team":"a"},"annotations":{"verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}}}
    done: u-2
    "#);
}

#[tokio::test]
async fn one_that_somebody_made_in_between_is_looked_at_again() {
    let mut reads = 0;
    let seen = check(move |asked| {
        reads += 1;
        match (asked.method.as_str(), reads) {
            ("GET", 1) => absent(),
            ("GET", _) => namespace(&json!({}), &json!({})),
            _ => status(409, "AlreadyExists", "namespaces \"shop\" already exists"),
        }
    });
    insta::assert_snapshot!(seen.await, @r#"
    GET /api/v1/namespaces/shop
    POST /api/v1/namespaces?fieldManager=verdikt&fieldValidation=Strict {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","labels":{"team":"a"},"annotations":{"verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}}}
    GET /api/v1/namespaces/shop
    the namespace shop exists and is not verdikt's: rename it in the scenario, remove it from the cluster, or allow its use with `--borrow`
    "#);
}
