use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{FixtureAnswer, FixtureRequest, list, server, status};
use crate::objects::POD;

fn pod(name: &str, version: u32) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", "name": name, "resourceVersion": version.to_string()}})
}

/// Waits for two pods, and tells what came of it and what was told on the way.
async fn check(
    deadline: Duration,
    answers: impl FnMut(&FixtureRequest) -> FixtureAnswer + Send + 'static,
) -> String {
    let (connection, _) = server(answers);
    let (tell, mut told) = mpsc::unbounded_channel();
    let progress = WaitProgress::to(tell);
    let wait = Wait { what: "wait for two pods", deadline, progress: &progress };
    let watched = vec![all(&connection, POD, Some("shop"))];
    let outcome = until(&connection, wait, watched, |seen: &Seen<Pod>| {
        if seen.len() == 2 {
            WaitState::Done(())
        } else {
            WaitState::<()>::NotYet(format!("{} pods", seen.len()))
        }
    });
    let outcome = outcome.await;
    drop(progress);
    let mut lines = Vec::new();
    while let Some(line) = told.recv().await {
        lines.push(line);
    }
    lines.push(format!("{outcome:?}"));
    lines.join("\n")
}

#[tokio::test]
async fn what_is_watched_comes_and_goes() {
    let event = |kind: &str, object: Value| json!({"type": kind, "object": object});
    let seen = check(Duration::from_secs(10), move |asked| {
        if asked.is_watch() {
            return FixtureAnswer::Events(vec![
                event("DELETED", pod("one", 2)),
                event("ADDED", pod("two", 3)),
                event("ADDED", pod("three", 4)),
            ]);
        }
        list(&json!([pod("one", 1)]))
    });
    insta::assert_snapshot!(seen.await, @"
    wait for two pods: 1 pods
    wait for two pods: 0 pods
    wait for two pods: 1 pods
    Ok(())
    ");
}

#[tokio::test]
async fn a_server_that_restarts_is_asked_again() {
    let mut asked = 0;
    let seen = check(Duration::from_secs(10), move |_| {
        asked += 1;
        if asked == 1 {
            return status(500, "InternalError", "the server is starting");
        }
        list(&json!([pod("one", 1), pod("two", 1)]))
    });
    insta::assert_snapshot!(seen.await, @"Ok(())");
}

#[tokio::test]
async fn the_deadline_tells_what_was_seen_last() {
    let seen = check(Duration::from_millis(100), |asked| {
        if asked.is_watch() { FixtureAnswer::Events(Vec::new()) } else { list(&json!([pod("one", 1)])) }
    });
    insta::assert_snapshot!(seen.await, @r#"
    wait for two pods: 1 pods
    Err(Deadline { last: "1 pods", after: 100ms })
    "#);
    let silent = check(Duration::from_millis(100), |_| FixtureAnswer::Silence);
    insta::assert_snapshot!(silent.await, @r#"Err(Deadline { last: "nothing yet", after: 100ms })"#);
}

#[tokio::test]
async fn what_may_not_be_watched_ends_at_once() {
    let seen = check(Duration::from_secs(10), |_| {
        status(403, "Forbidden", "pods is forbidden: User \"ann\" cannot list resource \"pods\"")
    });
    insta::assert_snapshot!(seen.await, @r#"Err(Api(Forbidden { what: "wait for two pods", reason: "pods is forbidden: User \"ann\" cannot list resource \"pods\"" }))"#);
}
