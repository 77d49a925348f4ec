//! `verdikt run` in the lab, with real sockets.

use rstest::rstest;
use serde_json::Value;

use crate::project::{GOOD, Project, differing};

#[rstest]
#[case::as_expected(GOOD.to_owned(), 0)]
#[case::differing(differing(), 1)]
fn verdicts_rest_on_evidence(#[case] scenario: String, #[case] code: i32) {
    let project = Project::with(&[("redis.yaml", scenario)]);
    let arguments = ["redis.yaml", "--on", "lab", "--parallel", "2", "--timeout", "2s"];
    let outputs = ["--events", "log", "--report", "json=a.json", "--report", "junit=a.xml"];
    let ran = project.verdikt(&[&["run"], &arguments[..], &outputs].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (code, ""), "{ran}");
    assert!(ran.stdout.contains("\nevidence: ") && ran.stdout.contains("backend lab"), "{ran}");

    let report: Value = serde_json::from_str(&project.read("a.json")).unwrap();
    let cells = report["scenarios"][0]["steps"][1]["cells"].as_array().unwrap();
    for cell in cells {
        let denied = cell["verdict"].as_str().unwrap().starts_with("deny");
        let basis = cell["basis"].as_str().unwrap();
        assert!(basis.contains(if denied { "flow" } else { "outcome" }), "{cell}");
        assert!(!cell["evidence"]["observation"]["stages"].as_array().unwrap().is_empty(), "{cell}");
    }
    assert!(cells.iter().any(|cell| cell["evidence"]["flows"][0]["verdict"] == "dropped"), "{report}");

    let replayed = project.verdikt(&["replay", "log", "--report", "json=b.json", "--report", "junit=b.xml"]);
    assert!(ran == replayed, "{ran}\n{replayed}");
    assert_eq!(project.read("a.json"), project.read("b.json"));
    assert_eq!(project.read("a.xml"), project.read("b.xml"));
}

const TWO_BACKENDS: &str = "
scenario: two-backends
about: A service in front of two pods, one of which asks.
topology:
  namespaces: {shop: {}}
  pods:
    shop/a: {labels: {app: web, n: a}, serves: [tcp 80]}
    shop/b: {labels: {app: web, n: b}, serves: [tcp 80]}
    shop/c: {labels: {app: c}}
  services:
    shop/web: {selects: {app: web}, ports: {80: 80}}
steps:
- step: one backend closed
  policies: [half]
  expect:
    tcp shop/web:80: {allow: others}
    tcp shop/web:80 via shop/b: {allow: others}
- step: both closed to one
  policies: [both]
  expect:
    tcp shop/web:80: {deny ingress: shop/c, allow: others}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: half, namespace: shop}
spec:
  endpointSelector: {matchLabels: {n: a}}
  ingress: [{}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: both, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress: [{fromEndpoints: [{matchLabels: {app: web}}]}]
";

/// What a service leads to is attempted backend by backend, so that chance decides nothing.
#[rstest]
fn every_backend_of_a_service_is_attempted(#[values("model", "lab")] place: &str) {
    let project = Project::with(&[("two.yaml", TWO_BACKENDS)]);
    let ran = project.verdikt(&["run", "two.yaml", "--on", place, "--report", "json=a.json"]);
    assert_eq!(ran.code, 1, "{ran}");
    let report: Value = serde_json::from_str(&project.read("a.json")).unwrap();
    let steps = report["scenarios"][0]["steps"].as_array().unwrap();
    let cells = steps.iter().flat_map(|step| step["cells"].as_array().unwrap());
    let cells: Vec<String> = cells
        .map(|cell| {
            let words = ["attempt", "source", "via", "verdict", "result"].map(|key| match &cell[key] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            words.join(" | ")
        })
        .collect();
    insta::allow_duplicates! {
        insta::assert_snapshot!(cells.join("\n"), @"
        tcp shop/web:80 | shop/a | null | allow | as-expected
        tcp shop/web:80 | shop/b | shop/a | deny ingress | differs
        tcp shop/web:80 | shop/c | shop/a | deny ingress | differs
        tcp shop/web:80 via shop/b | shop/a | null | allow | as-expected
        tcp shop/web:80 via shop/b | shop/b | null | allow | as-expected
        tcp shop/web:80 via shop/b | shop/c | null | allow | as-expected
        tcp shop/web:80 | shop/a | null | allow | as-expected
        tcp shop/web:80 | shop/b | null | allow | as-expected
        tcp shop/web:80 | shop/c | null | deny ingress | as-expected
        ");
    }
}

/// What applies the engine's rules cannot know what the engine does not.
#[rstest]
fn what_the_engine_does_not_know_is_inconclusive_in_the_lab(
    #[values("allow", "deny")] expected: &str,
    #[values("model", "lab")] place: &str,
) {
    let by_name = TWO_BACKENDS.replace("tcp shop/web:80:", "tcp web.shop.svc.cluster.local:80:");
    let scenario = by_name.replacen("{allow: others}", &format!("{{{expected}: others}}"), 1);
    let project = Project::with(&[("two.yaml", scenario)]);
    let filter = ["--filter", "one backend closed/tcp web.shop.svc.cluster.local:80/shop/c"];
    let ran = project.verdikt(&[&["run", "two.yaml", "--on", place], &filter[..]].concat());
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stdout.contains("which of shop/a, shop/b answers"), "{ran}");
}
