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
    redis / locked down, Cilium 1.20

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
    redis / open, Cilium 1.20

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
    redis / locked down, Cilium 1.20

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
