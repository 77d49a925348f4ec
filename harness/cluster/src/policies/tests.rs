use std::sync::Arc;

use verdikt_scenario::document;
use verdikt_scenario::scenario::FieldValidation;

use super::*;
use crate::fixture::{FixtureAnswer, FixtureRequest, absent, server, status};

fn manifests(text: &str) -> Vec<Manifest> {
    let documents = document::parse(text).unwrap().into_iter();
    documents.map(|root| Manifest { file: Arc::from("policy.yaml"), root }).collect()
}

const CLOSED: &str = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {endpointSelector: {}, ingress: [], description: 0120, unknown: null}
";

/// Applies one set after the other; the conversation and what came of each.
async fn check(
    steps: &[&str],
    answers: impl FnMut(&FixtureRequest) -> FixtureAnswer + Send + 'static,
) -> String {
    let (connection, log) = server(answers);
    let (namespaces, run) = (BTreeSet::from(["shop".to_owned()]), "run-1".parse().unwrap());
    let context = PolicyContext { namespaces: &namespaces, run: &run };
    let mut stored = StoredPolicies::default();
    let mut lines = Vec::new();
    let mut before = 0;
    for step in steps {
        let applied =
            apply(&connection, &mut stored, &manifests(step), FieldValidation::Strict, context).await;
        let text = log.text();
        lines.extend(text.lines().skip(before).map(str::to_owned));
        before = text.lines().count();
        lines.push(match applied {
            Ok(applied) => {
                let touched: Vec<String> = applied.touched.iter().map(ToString::to_string).collect();
                let refused: Vec<String> = applied
                    .refused
                    .iter()
                    .map(|(index, it)| format!("{index} by {}: {}", it.by, it.message))
                    .collect();
                format!("= touched {touched:?}, refused {refused:?}")
            }
            Err(error) => format!("= {error}"),
        });
    }
    lines.join("\n")
}

fn made(asked: &FixtureRequest) -> FixtureAnswer {
    let mut body = asked.body.clone();
    body["metadata"]["uid"] = json!("uid-1");
    FixtureAnswer::Json(201, body)
}

#[tokio::test]
async fn documents_are_sent_as_written_and_left_alone_and_removed() {
    let seen = check(&[CLOSED, CLOSED, ""], |asked| match asked.method.as_str() {
        "GET" => absent(),
        "POST" => made(asked),
        _ => FixtureAnswer::Json(200, json!({})),
    })
    .await;
    insta::assert_snapshot!(seen, @r#"
    GET /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/closed
    POST /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies?fieldManager=verdikt&fieldValidation=Strict {"apiVersion":"cilium.io/v2","kind":"CiliumNetworkPolicy","metadata":{"name":"closed","namespace":"shop","labels":{"verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}},"spec":{"endpointSelector":{},"ingress":[],"description":120,"unknown":null}}
    = touched ["CiliumNetworkPolicy shop/closed"], refused []
    = touched [], refused []
    DELETE /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/closed {"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background","preconditions":{"uid":"uid-1"}}
    = touched ["CiliumNetworkPolicy shop/closed"], refused []
    "#);
}

#[tokio::test]
async fn a_change_clears_the_verdict_on_the_version_before() {
    let open = CLOSED.replace("ingress: []", "ingress: [{}]");
    let mut reads = 0;
    let seen = check(&[CLOSED, &open], move |asked| match asked.method.as_str() {
        "GET" if reads == 0 => {
            reads += 1;
            absent()
        }
        "GET" => FixtureAnswer::Json(
            200,
            json!({"metadata": {"resourceVersion": "7", "labels": {"verdikt.dev/owner": "verdikt"}}}),
        ),
        "POST" => made(asked),
        _ => {
            let mut body = asked.body.clone();
            body["status"] = json!({"conditions": [{"type": "Valid", "status": "True"}]});
            FixtureAnswer::Json(200, body)
        }
    })
    .await;
    insta::assert_snapshot!(seen, @r#"
    GET /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/closed
    POST /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies?fieldManager=verdikt&fieldValidation=Strict {"apiVersion":"cilium.io/v2","kind":"CiliumNetworkPolicy","metadata":{"name":"closed","namespace":"shop","labels":{"verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}},"spec":{"endpointSelector":{},"ingress":[],"description":120,"unknown":null}}
    = touched ["CiliumNetworkPolicy shop/closed"], refused []
    GET /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/closed
    PUT /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/closed?fieldManager=verdikt&fieldValidation=Strict {"apiVersion":"cilium.io/v2","kind":"CiliumNetworkPolicy","metadata":{"name":"closed","namespace":"shop","labels":{"verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"},"resourceVersion":"7"},"spec":{"endpointSelector":{},"ingress":[{}],"description":120,"unknown":null}}
    PATCH /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/closed/status?fieldManager=verdikt {"status":{"conditions":null}}
    = touched ["CiliumNetworkPolicy shop/closed"], refused []
    "#);
}

#[tokio::test]
async fn refusals_are_no_errors() {
    let rules = "kind: CiliumNetworkPolicy\napiVersion: cilium.io/v2\nmetadata: {name: a, namespace: shop}";
    let unknown = "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: b, namespace: shop}";
    let nowhere =
        "kind: NetworkPolicy\napiVersion: networking.k8s.io/v1\nmetadata: {name: c, namespace: gone}";
    let seen = check(&[&[rules, unknown, nowhere].join("\n---\n")], |asked| match asked.method.as_str() {
        "GET" => absent(),
        _ if asked.path.contains("gone") => status(404, "NotFound", "namespaces \"gone\" not found"),
        _ => {
            status(422, "Invalid", "The CiliumNetworkPolicy \"a\" is invalid: spec or specs must be provided")
        }
    })
    .await;
    insta::assert_snapshot!(seen, @r#"
    GET /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/a
    POST /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies?fieldManager=verdikt&fieldValidation=Strict {"kind":"CiliumNetworkPolicy","apiVersion":"cilium.io/v2","metadata":{"name":"a","namespace":"shop","labels":{"verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}}}
    GET /api/v1/namespaces/gone
    GET /apis/networking.k8s.io/v1/namespaces/gone/networkpolicies/c
    POST /apis/networking.k8s.io/v1/namespaces/gone/networkpolicies?fieldManager=verdikt&fieldValidation=Strict {"kind":"NetworkPolicy","apiVersion":"networking.k8s.io/v1","metadata":{"name":"c","namespace":"gone","labels":{"verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}}}
    = touched [], refused ["0 by the API server: The CiliumNetworkPolicy \"a\" is invalid: spec or specs must be provided", "1 by the API server: no matches for kind \"Deployment\" in version \"apps/v1\"", "2 by the API server: namespaces \"gone\" not found"]
    "#);
}

#[tokio::test]
async fn what_is_not_ours_is_not_touched() {
    let theirs = |asked: &FixtureRequest| match asked.method.as_str() {
        "GET" => FixtureAnswer::Json(200, json!({"metadata": {"name": "it"}})),
        _ => FixtureAnswer::Json(200, json!({})),
    };
    insta::assert_snapshot!(check(&[CLOSED], theirs).await, @"
    GET /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/closed
    = CiliumNetworkPolicy shop/closed exists and is not verdikt's: rename it in the scenario, or remove it from the cluster
    ");
    let elsewhere = CLOSED.replace("shop", "kube-system");
    insta::assert_snapshot!(check(&[&elsewhere], theirs).await, @"
    GET /api/v1/namespaces/kube-system
    = CiliumNetworkPolicy kube-system/closed would act in the namespace kube-system, which is not verdikt's: use a namespace of the scenario, or allow its use with `--borrow`
    ");
}

#[tokio::test]
async fn a_conflict_is_tried_again() {
    let mut tries = 0;
    let seen = check(&[CLOSED], move |asked| {
        if asked.method == "GET" {
            return absent();
        }
        tries += 1;
        if tries == 1 { status(409, "AlreadyExists", "it exists") } else { made(asked) }
    })
    .await;
    insta::assert_snapshot!(seen, @r#"
    GET /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/closed
    POST /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies?fieldManager=verdikt&fieldValidation=Strict {"apiVersion":"cilium.io/v2","kind":"CiliumNetworkPolicy","metadata":{"name":"closed","namespace":"shop","labels":{"verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}},"spec":{"endpointSelector":{},"ingress":[],"description":120,"unknown":null}}
    GET /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/closed
    POST /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies?fieldManager=verdikt&fieldValidation=Strict {"apiVersion":"cilium.io/v2","kind":"CiliumNetworkPolicy","metadata":{"name":"closed","namespace":"shop","labels":{"verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}},"spec":{"endpointSelector":{},"ingress":[],"description":120,"unknown":null}}
    = touched ["CiliumNetworkPolicy shop/closed"], refused []
    "#);
}

#[tokio::test]
async fn a_permission_that_is_missing_is_an_error() {
    let seen = check(&[CLOSED], |asked| match asked.method.as_str() {
        "GET" => absent(),
        _ => status(
            403,
            "Forbidden",
            "ciliumnetworkpolicies.cilium.io is forbidden: User \"ann\" cannot create",
        ),
    })
    .await;
    insta::assert_snapshot!(seen, @r#"
    GET /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/closed
    POST /apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies?fieldManager=verdikt&fieldValidation=Strict {"apiVersion":"cilium.io/v2","kind":"CiliumNetworkPolicy","metadata":{"name":"closed","namespace":"shop","labels":{"verdikt.dev/owner":"verdikt","verdikt.dev/run":"run-1"}},"spec":{"endpointSelector":{},"ingress":[],"description":120,"unknown":null}}
    = cannot create CiliumNetworkPolicy shop/closed: ciliumnetworkpolicies.cilium.io is forbidden: User "ann" cannot create; grant it, for example with clusters/rbac.yaml
    "#);
}
