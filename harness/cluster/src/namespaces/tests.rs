use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::fixture::{Answer, absent, list, server, status};

async fn check(answers: impl FnMut(&crate::fixture::Asked) -> Answer + Send + 'static) -> String {
    let (connection, log) = server(answers);
    let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    let (name, run) = ("shop".parse().unwrap(), "run-1".parse().unwrap());
    let outcome = ensure(&connection, &name, &labels, &run, &Progress::default()).await;
    let outcome = outcome.map_or_else(|error| error.to_string(), |()| "done".to_owned());
    format!("{}\n{outcome}", log.text())
}

fn namespace(labels: &Value) -> Answer {
    Answer::Json(200, json!({"metadata": {"name": "shop", "labels": labels}}))
}

#[tokio::test]
async fn one_that_does_not_exist_is_made() {
    let seen = check(|asked| match asked.method.as_str() {
        "GET" => absent(),
        _ => Answer::Json(201, asked.body.clone()),
    });
    insta::assert_snapshot!(seen.await, @r#"
    GET /api/v1/namespaces/shop
    POST /api/v1/namespaces?fieldManager=verdikt&fieldValidation=Strict {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","labels":{"team":"a","verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}}}
    done
    "#);
}

#[tokio::test]
async fn one_of_somebody_else_is_never_touched() {
    let seen = check(|_| namespace(&json!({"kubernetes.io/metadata.name": "shop"})));
    insta::assert_snapshot!(seen.await, @"
    GET /api/v1/namespaces/shop
    the namespace shop exists and is not verdikt's: rename it in the scenario, remove it from the cluster, or allow its use with `--borrow`
    ");
}

#[tokio::test]
async fn one_of_another_run_is_never_touched() {
    let seen = check(|_| namespace(&json!({"verdikt.dev/owner": "verdikt", "verdikt.dev/run": "run-0"})));
    insta::assert_snapshot!(seen.await, @"
    GET /api/v1/namespaces/shop
    the namespace shop belongs to run run-0: wait until that run has ended, or remove what it left with `verdikt clean`
    ");
}

#[tokio::test]
async fn ours_gets_the_labels_of_the_step() {
    let present = json!({
        "verdikt.dev/owner": "verdikt", "verdikt.dev/run": "run-1", "kubernetes.io/metadata.name": "shop",
        "team": "b", "old": "x",
    });
    let seen = check(move |asked| match asked.method.as_str() {
        "GET" => namespace(&present),
        _ => Answer::Json(200, json!({})),
    });
    insta::assert_snapshot!(seen.await, @r#"
    GET /api/v1/namespaces/shop
    PATCH /api/v1/namespaces/shop?fieldManager=verdikt {"metadata":{"labels":{"old":null,"team":"a","verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}}}
    done
    "#);
}

#[tokio::test]
async fn one_that_is_being_removed_is_waited_for() {
    let mut reads = 0;
    let leaving = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": "shop", "resourceVersion": "1", "deletionTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"verdikt.dev/owner": "verdikt", "verdikt.dev/run": "run-0"},
        },
    });
    let seen = check(move |asked| {
        if asked.is_watch() {
            return Answer::Events(vec![json!({"type": "DELETED", "object": leaving})]);
        }
        if asked.is("GET", "/api/v1/namespaces") {
            return list(&json!([leaving]));
        }
        reads += 1;
        match (asked.method.as_str(), reads) {
            ("GET", 1) => Answer::Json(200, leaving.clone()),
            ("GET", _) => absent(),
            _ => Answer::Json(201, json!({})),
        }
    });
    insta::assert_snapshot!(seen.await, @r#"
    GET /api/v1/namespaces/shop
    GET /api/v1/namespaces?&fieldSelector=metadata.name%3Dshop&limit=500
    GET /api/v1/namespaces?&watch=true&timeoutSeconds=290&fieldSelector=metadata.name%3Dshop&allowWatchBookmarks=true&resourceVersion=1
    GET /api/v1/namespaces/shop
    POST /api/v1/namespaces?fieldManager=verdikt&fieldValidation=Strict {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","labels":{"team":"a","verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}}}
    done
    "#);
}

#[tokio::test]
async fn one_that_somebody_made_in_between_is_looked_at_again() {
    let mut reads = 0;
    let seen = check(move |asked| {
        reads += 1;
        match (asked.method.as_str(), reads) {
            ("GET", 1) => absent(),
            ("GET", _) => namespace(&json!({})),
            _ => status(409, "AlreadyExists", "namespaces \"shop\" already exists"),
        }
    });
    insta::assert_snapshot!(seen.await, @r#"
    GET /api/v1/namespaces/shop
    POST /api/v1/namespaces?fieldManager=verdikt&fieldValidation=Strict {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","labels":{"team":"a","verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}}}
    GET /api/v1/namespaces/shop
    the namespace shop exists and is not verdikt's: rename it in the scenario, remove it from the cluster, or allow its use with `--borrow`
    "#);
}
