//! A cluster that is somebody else's: it is named before it is used, and policies for everybody need a word of their own.

use crate::api_server::ApiServer;
use crate::project::{Project, Ran};
use crate::stand_ins::static_program;

/// Denies everything to every pod of the cluster.
const ALL: &str = "scenario: all
about: Denies everything to every pod of the cluster while the run lasts.
topology:
  namespaces: {shop: {}}
  pods: {shop/cart: {}, shop/stock: {serves: [tcp 80]}}
steps:
- step: one
  policies: [all]
  expect: {tcp shop/stock:80: {deny: others}}
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: all}
spec: {endpointSelector: {}, ingress: [{}], egress: [{}]}
";

/// Where clusterwide policies are kept.
const CLUSTERWIDE: &str = "/ciliumclusterwidenetworkpolicies";

fn run(server: &ApiServer, arguments: &[&str]) -> Ran {
    let project = Project::with(&[("all.yaml", ALL.to_owned()), ("kubeconfig", server.kubeconfig())]);
    let program = project.program_beside(&static_program());
    let mut command = project.command_of(
        &program,
        &[&["run", "all.yaml", "--on", "cluster", "--timeout", "200ms"], arguments].concat(),
    );
    let output = command.env("KUBECONFIG", project.path("kubeconfig")).output().unwrap();
    let address = server.kubeconfig().split("http://").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(&address, "ADDRESS");
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// What was asked that changes something. Reviews of the own rights do not.
fn changes(server: &ApiServer) -> Vec<String> {
    let mut asked = server.asked();
    asked.retain(|line| !line.starts_with("GET ") && !line.ends_with("reviews"));
    asked
}

#[test]
fn a_cluster_that_is_not_kind_is_not_used_unasked() {
    let server = ApiServer::start();
    let ran = run(&server, &[]);
    assert_eq!(ran.code, 2, "{ran}");
    assert!(ran.stderr.starts_with("using context stand-in: http://ADDRESS, not a kind cluster, "), "{ran}");
    assert!(ran.stderr.contains("error: cannot use context stand-in without confirmation: "), "{ran}");
    assert!(ran.stderr.contains("hint: give `--yes`, or set VERDIKT_YES=1, "), "{ran}");
    assert_eq!(changes(&server), Vec::<String>::new());
}

#[test]
fn policies_for_everybody_are_skipped() {
    let server = ApiServer::start();
    let ran = run(&server, &["--yes"]);
    let told: Vec<&str> = ran.stdout.split_whitespace().collect();
    let reason =
        "it has a policy that is in force for every pod of the cluster, CiliumClusterwideNetworkPolicy all;";
    assert!(told.join(" ").contains(reason), "{ran}");
    assert!(!changes(&server).iter().any(|line| line.contains(CLUSTERWIDE)), "{:#?}", server.asked());
}

#[test]
fn policies_for_everybody_are_listed_before_they_are_in_force() {
    let server = ApiServer::start();
    // Nobody there would judge the policy.
    server.refuse("POST /apis/cilium.io/v2/ciliumclusterwidenetworkpolicies");
    let ran = run(&server, &["--yes", "--clusterwide"]);
    let listed = "clusterwide: CiliumClusterwideNetworkPolicy all of all: 1 pod (kube-system/cilium-1)";
    assert!(ran.stderr.lines().any(|line| line == listed), "{ran}");
    let again = "verdikt run --on cluster:stand-in --clusterwide all.yaml --filter ";
    assert!(ran.stdout.contains(again), "how to repeat what differs: {ran}");
    let asked = server.asked();
    let made = asked.iter().position(|line| line.starts_with("POST ") && line.contains(CLUSTERWIDE));
    let looked = asked.iter().position(|line| line == "GET /api/v1/pods");
    assert!(looked.is_some() && made.is_some() && looked < made, "{asked:#?}");
}
