//! The lab's DNS, services and HTTP proxy as clients see them that are not ours: curl where it is installed, and reqwest.

use std::env;
use std::process::Command;
use std::time::Duration;

use reqwest::blocking::Client;
use rstest::rstest;

use crate::playground::Lab;
use crate::project::Project;

/// What the client inside a pod is to ask, for `ask`.
const REQUESTS: &str = "VERDIKT_TEST_REQUESTS";

const SCENARIO: &str = r#"scenario: SCENARIO
about: A client asks by name, through a service, an API that may be read below one path.
topology:
  namespaces: {shop: {}}
  pods:
    shop/cart: {labels: {app: cart}}
    shop/api: {labels: {app: api}, serves: [http 8080]}
  services:
    shop/front: {selects: {app: api}, ports: {80: 8080}}
steps:
- step: read only
  policies: [api]
  expect:
    http GET front.shop:80/v1:
      allow: shop/cart
      deny http: others
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: cart}}]
    toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{method: "GET|PUT", path: "/v1(/.*)?"}]}}]
"#;

/// A lab of this name, which is up.
fn lab(name: &str) -> (Project, Lab) {
    let project = Project::with(&[("foreign.yaml", &SCENARIO.replace("SCENARIO", name))]);
    let mut lab = Lab::start(&project, &["foreign.yaml"]);
    lab.until("Ctrl-C ends the lab");
    (project, lab)
}

#[rstest]
#[case::allowed(&["http://front.shop/v1"], "200 1\n")]
#[case::by_its_whole_name(&["http://front.shop.svc.cluster.local/v1/x?y=z"], "200 1\n")]
#[case::another_path(&["http://front.shop/v2"], "403 1\n")]
#[case::another_method(&["--data", "x", "http://front.shop/v1"], "403 1\n")]
#[case::one_connection_for_both(&["http://front.shop/v1", "http://front.shop/v1/next"], "200 1\n200 0\n")]
#[case::an_old_client(&["--http1.0", "http://front.shop/v1"], "200 1\n")]
#[case::a_body_in_chunks(
    &["--request", "PUT", "--header", "Transfer-Encoding: chunked", "--data", "x", "http://front.shop/v1"],
    "200 1\n"
)]
#[case::a_denied_body_in_chunks(
    &["--request", "PUT", "--header", "Transfer-Encoding: chunked", "--data", "x", "http://front.shop/v2"],
    "403 1\n"
)]
fn curl(#[case] arguments: &[&str], #[case] expected: &str) {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is not installed");
        return;
    }
    let name = format!("curl-{}", arguments.concat().bytes().map(usize::from).sum::<usize>());
    let (project, _lab) = lab(&name);
    let asked = ["curl", "--silent", "--noproxy", "*", "--max-time", "10"];
    let written = ["--write-out", "%{http_code} %{num_connects}\n"];
    // One for each address; an option takes its value with it.
    let outputs = arguments
        .iter()
        .filter(|argument| argument.starts_with("http"))
        .flat_map(|_| ["--output", "/dev/null"]);
    let exec = ["lab", "exec", "--lab", &name, "shop/cart", "--"];
    let command: Vec<&str> = exec
        .into_iter()
        .chain(asked)
        .chain(written)
        .chain(outputs)
        .chain(arguments.iter().copied())
        .collect();
    let ran = project.verdikt(&command);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, expected), "{ran}");
}

#[test]
fn a_client_of_reqwest() {
    let (project, _lab) = lab("reqwest");
    let requests = format!(
        "{REQUESTS}=GET http://front.shop/v1,GET http://front.shop/v1/next,PUT http://front.shop/v1,\
         POST http://front.shop/v1,GET http://front.shop/v2,GET http://front.shop/v1"
    );
    let program = env::current_exe().unwrap();
    let ran = project.verdikt(&[
        "lab",
        "exec",
        "--lab",
        "reqwest",
        "shop/cart",
        "--",
        "env",
        &requests,
        program.to_str().unwrap(),
        "foreign_clients::ask",
        "--exact",
        "--ignored",
        "--nocapture",
    ]);
    let answers: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("answer ")).collect();
    assert_eq!(answers, ["200", "200", "200", "403", "403", "200"], "{ran}");
}

/// The client: makes the requests of the environment with one pool of connections.
#[test]
#[ignore = "`a_client_of_reqwest` starts it inside a pod"]
fn ask() {
    // Another part of the process may have chosen one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    for request in env::var(REQUESTS).unwrap().split(',') {
        let (method, address) = request.split_once(' ').unwrap();
        let body = if method == "GET" { "" } else { "x" };
        let answer = client.request(method.parse().unwrap(), address).body(body).send().unwrap();
        println!("\nanswer {}", answer.status().as_u16());
    }
}
