//! `verdikt explain`: why an attempt is allowed or denied.

use insta::assert_snapshot;

use crate::project::{GOOD, Project};

const ATTEMPT: &str = "tcp database/redis:6379";

#[test]
fn one_cell_of_the_last_step() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let ran = project.verdikt(&["explain", "redis.yaml", "--from", "shop/stock", "--attempt", ATTEMPT]);
    assert_snapshot!(ran, @r"
    exit code 0
    --- stdout
    redis/locked down, Cilium 1.20

    shop/stock -> tcp database/redis:6379: deny ingress
      1. egress of shop/stock to database/redis, tcp port 6379
         allowed: no policy isolates shop/stock at egress
      2. ingress of database/redis from shop/stock, tcp port 6379
         denied: no rule allows it, and database/redis is isolated at ingress (default deny) by
            redis.yaml:26  CiliumNetworkPolicy database/cart-only spec.ingress[0]
         the nearest rule that allows something is
            redis.yaml:26  CiliumNetworkPolicy database/cart-only spec.ingress[0]
            it fails on peer: app=cart is wanted, its app is stock
    ");
}

#[test]
fn every_cell_that_fits() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    assert_snapshot!(project.verdikt(&["explain", "redis.yaml", "--step", "open", "--attempt", ATTEMPT]), @r"
    exit code 0
    --- stdout
    redis/open, Cilium 1.20

    shop/cart -> tcp database/redis:6379: allow
      1. egress of shop/cart to database/redis, tcp port 6379
         allowed: no policy isolates shop/cart at egress
      2. ingress of database/redis from shop/cart, tcp port 6379
         allowed: no policy isolates database/redis at ingress

    shop/stock -> tcp database/redis:6379: allow
      1. egress of shop/stock to database/redis, tcp port 6379
         allowed: no policy isolates shop/stock at egress
      2. ingress of database/redis from shop/stock, tcp port 6379
         allowed: no policy isolates database/redis at ingress
    ");
}

/// An attempt that no table has, under policies that no step has.
#[test]
fn any_attempt_under_any_policies() {
    let policy = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nothing-leaves, namespace: shop}
spec: {podSelector: {}, policyTypes: [Egress]}
";
    let project = Project::with(&[("redis.yaml", GOOD), ("policies/egress.yaml", policy)]);
    let arguments = ["explain", "redis.yaml", "--from", "shop/cart", "--attempt", "dns api.example.test"];
    assert_snapshot!(project.verdikt(&[&arguments[..], &["--policies", "policies"]].concat()), @r"
    exit code 0
    --- stdout
    redis/locked down, Cilium 1.20
    with 1 policy object of policies in place of the policies of the step

    shop/cart -> dns api.example.test: deny egress
      1. egress of shop/cart to kube-system/coredns, udp port 53
         denied: no rule allows it, and shop/cart is isolated at egress (default deny) by
            policies/egress.yaml:4  NetworkPolicy shop/nothing-leaves spec.policyTypes
    ");
    let without = project.verdikt(&arguments);
    assert_eq!(without.code, 0);
    assert!(!without.stdout.contains("nothing-leaves"), "{without}");
}

#[test]
fn a_cell_that_no_table_has_is_no_answer() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    assert_snapshot!(project.verdikt(&["explain", "redis.yaml", "--attempt", "icmp database/redis"]), @r"
    exit code 5
    --- stderr
    error: the table of the step `locked down` has no such cell

    hint: give both `--from` and `--attempt` to ask for one that is not in the table
    ");
}

const REFUSED: &str = "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: lockdown, namespace: database}
spec: {endpointSelector: {}, ingress: []}
";

/// An answer that a refused object has no part in says so; other policies than the step's must be policies.
#[test]
fn policies_that_have_no_part_in_the_answer() {
    let misspelt = REFUSED.replace("NetworkPolicy", "Networkpolicy");
    let project = Project::with(&[
        ("redis.yaml", GOOD),
        ("refused.yaml", REFUSED),
        ("misspelt/a.yaml", &misspelt),
        ("empty.yaml", ""),
    ]);
    let cell = ["explain", "redis.yaml", "--from", "shop/stock", "--attempt", ATTEMPT, "--policies"];
    let ask = |policies: &str| project.verdikt(&[&cell[..], &[policies]].concat());
    assert_snapshot!(ask("refused.yaml"), @"
    exit code 0
    --- stdout
    redis/locked down, Cilium 1.20
    with 1 policy object of refused.yaml in place of the policies of the step
    not in force: CiliumNetworkPolicy database/lockdown at refused.yaml:4:30, which the agent refuses:
    rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny

    shop/stock -> tcp database/redis:6379: allow
      1. egress of shop/stock to database/redis, tcp port 6379
         allowed: no policy isolates shop/stock at egress
      2. ingress of database/redis from shop/stock, tcp port 6379
         allowed: no policy isolates database/redis at ingress
    ");
    assert_snapshot!(ask("misspelt"), @r"
    exit code 2
    --- stderr
    error: `CiliumNetworkpolicy` is not a kind of policy verdikt knows
     --> misspelt/a.yaml:2:7
      |
    2 | kind: CiliumNetworkpolicy
      |       ^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `CiliumNetworkPolicy`?
    ");
    assert_snapshot!(ask("empty.yaml"), @r"
    exit code 2
    --- stderr
    error: `empty.yaml` has no policy

    hint: policies are in .yaml, .yml and .json files; leave `--policies` out for those of the step
    ");
}

/// An abstention is not an answer, and a pod that reaches itself is not a question.
#[test]
fn what_cannot_be_answered() {
    let mutual =
        GOOD.replace("  - fromEndpoints:", "  - authentication: {mode: required}\n    fromEndpoints:");
    let project = Project::with(&[("redis.yaml", mutual)]);
    let ask = |from: &str| project.verdikt(&["explain", "redis.yaml", "--from", from, "--attempt", ATTEMPT]);
    assert_eq!((ask("shop/cart").code, ask("shop/stock").code), (3, 0));
    assert_snapshot!(ask("database/redis"), @r"
    exit code 2
    --- stderr
    error: database/redis would reach itself, which no policy ever sees

    hint: what a pod sends to its own address stays inside the pod; ask from another source
    ");
}

/// What a load balancer keeps out meets no policy, and the answer says so.
#[test]
fn an_attempt_that_no_policy_sees() {
    let balanced = "scenario: balanced
about: A load balancer lets its partners in.
topology:
  namespaces: {shop: {}}
  pods: {shop/web: {labels: {app: web}, serves: [tcp 8080]}}
  services:
    shop/front: {type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerSourceRanges: [203.0.113.0/24], selects: {app: web}, ports: {80: 8080}}
  world: {stranger: {address: 198.51.100.7, only: source}}
steps:
- step: open
  expect:
    tcp shop/front:80: {allow: others}
";
    let project = Project::with(&[("balanced.yaml", balanced)]);
    let asked = ["explain", "balanced.yaml", "--from", "stranger", "--attempt", "tcp shop/front:80"];
    assert_snapshot!(project.verdikt(&asked), @r"
    exit code 0
    --- stdout
    balanced/open, Cilium 1.20

    stranger -> tcp shop/front:80: no policy sees it
      the load balancer of service shop/front accepts none of 198.51.100.7's packets
      (loadBalancerSourceRanges), whatever policies say
    ");
    let json = project.verdikt(&[&asked[..], &["--format", "json"]].concat());
    assert!(json.stdout.contains("\"answer\": \"no policy sees it\""), "{json}");
    assert!(json.stdout.contains("loadBalancerSourceRanges"), "{json}");
}
