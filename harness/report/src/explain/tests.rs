//! Every kind of decision, explained.

use verdikt_scenario::prediction::{Decision, EnforcementPoint};

use super::*;
use crate::fixture::{cells, check, dns, no_rule_allows, pod, redis_rule, rule, tcp};

fn explained(answer: Answer, checks: Vec<Check>) -> String {
    let prediction = Prediction { answer, checks };
    explain(
        &pod("frontend/web"),
        &tcp("database/redis", 6379),
        &prediction,
        ExplainStyle { colour: false, width: usize::MAX },
    )
}

fn at_ingress(decision: Decision) -> Check {
    check(EnforcementPoint::Ingress, "database/redis", "from frontend/web, tcp port 6379", decision)
}

#[test]
fn passes_without_policies() {
    let egress = check(
        EnforcementPoint::Egress,
        "frontend/web",
        "to database/redis, tcp port 6379",
        Decision::NotIsolated,
    );
    insta::assert_snapshot!(explained(Answer::Allow, vec![egress, at_ingress(Decision::NotIsolated)]), @"
    frontend/web -> tcp database/redis:6379: allow
      1. egress of frontend/web to database/redis, tcp port 6379
         allowed: no policy isolates frontend/web at egress
      2. ingress of database/redis from frontend/web, tcp port 6379
         allowed: no policy isolates database/redis at ingress
    ");
}

#[test]
fn allowed_by_rules() {
    let by = vec![redis_rule(), rule("database/admin", "spec.ingress[2]", 31)];
    insta::assert_snapshot!(explained(Answer::Allow, vec![at_ingress(Decision::Allowed { by })]), @"
    frontend/web -> tcp database/redis:6379: allow
      1. ingress of database/redis from frontend/web, tcp port 6379
         allowed by any of
            policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
            policies/admin.yaml:31  CiliumNetworkPolicy database/admin spec.ingress[2]
    ");
}

#[test]
fn allowed_as_the_node_itself() {
    insta::assert_snapshot!(explained(Answer::Allow, vec![at_ingress(Decision::LocalHost)]), @"
    frontend/web -> tcp database/redis:6379: allow
      1. ingress of database/redis from frontend/web, tcp port 6379
         allowed: the node's own traffic to its pods needs no rule
    ");
}

#[test]
fn denied_by_a_rule() {
    let by = vec![rule("database/no-frontend", "spec.ingressDeny[0]", 9)];
    let denied = at_ingress(Decision::Denied { by });
    insta::assert_snapshot!(explained(Answer::Deny(EnforcementPoint::Ingress), vec![denied]), @"
    frontend/web -> tcp database/redis:6379: deny ingress
      1. ingress of database/redis from frontend/web, tcp port 6379
         denied: this rule denies it, whatever others allow
            policies/no-frontend.yaml:9  CiliumNetworkPolicy database/no-frontend spec.ingressDeny[0]
    ");
}

#[test]
fn denied_by_default() {
    insta::assert_snapshot!(explained(Answer::Deny(EnforcementPoint::Ingress), vec![at_ingress(no_rule_allows())]), @"
    frontend/web -> tcp database/redis:6379: deny ingress
      1. ingress of database/redis from frontend/web, tcp port 6379
         denied: no rule allows it, and database/redis is isolated at ingress (default deny) by
            policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0]
            policies/default-deny.yaml:7  CiliumNetworkPolicy database/default-deny spec.ingress[0]
         the nearest rule that allows something is
            policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
            it fails on peer: app=backend is wanted, its label app is frontend
    ");
}

#[test]
fn denied_by_the_mode() {
    let decision = Decision::NoRuleAllows { isolated_by: [].into(), nearest: None };
    insta::assert_snapshot!(explained(Answer::Deny(EnforcementPoint::Ingress), vec![at_ingress(decision)]), @"
    frontend/web -> tcp database/redis:6379: deny ingress
      1. ingress of database/redis from frontend/web, tcp port 6379
         denied: no rule allows it, and every endpoint is isolated in this mode, database/redis too
    ");
}

#[test]
fn audited() {
    insta::assert_snapshot!(explained(Answer::Audit(EnforcementPoint::Ingress), vec![at_ingress(no_rule_allows())]), @"
    frontend/web -> tcp database/redis:6379: audit ingress, which lets it pass
      1. ingress of database/redis from frontend/web, tcp port 6379
         audited, not denied: no rule allows it, and database/redis is isolated at ingress (default deny) by
            policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0]
            policies/default-deny.yaml:7  CiliumNetworkPolicy database/default-deny spec.ingress[0]
         the nearest rule that allows something is
            policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
            it fails on peer: app=backend is wanted, its label app is frontend
    ");
}

#[test]
fn refused_by_the_dns_proxy() {
    let decision = Decision::NoRuleAllows {
        isolated_by: [rule("frontend/dns", "spec.egress[0].toPorts[0]", 14)].into(),
        nearest: None,
    };
    let checks = vec![check(EnforcementPoint::Dns, "frontend/web", "query api.example.test", decision)];
    let prediction = Prediction { answer: Answer::Deny(EnforcementPoint::Dns), checks };
    insta::assert_snapshot!(explain(&pod("frontend/web"), &dns("api.example.test"), &prediction, ExplainStyle { colour: false, width: usize::MAX }), @"
    frontend/web -> dns api.example.test: deny dns
      1. DNS proxy of frontend/web, query api.example.test
         denied: no rule of the proxy allows it; it was sent there by
            policies/dns.yaml:14  CiliumNetworkPolicy frontend/dns spec.egress[0].toPorts[0]
    ");
}

#[test]
fn not_known() {
    let decision =
        Decision::Unknown { gap: "what a Kafka rule makes of it".to_owned(), rule: Some(redis_rule()) };
    insta::assert_snapshot!(explained(Answer::Abstain, vec![at_ingress(decision)]), @"
    frontend/web -> tcp database/redis:6379: the engine abstains
      1. ingress of database/redis from frontend/web, tcp port 6379
         the engine does not know what a Kafka rule makes of it
            policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
    ");
}

#[test]
fn through_a_proxy() {
    let cell = &cells()[6];
    insta::assert_snapshot!(explain(&cell.source, &cell.attempt, &cell.prediction, ExplainStyle { colour: false, width: usize::MAX }), @"
    frontend/web -> http GET backend/api:8080/api?page=1: deny http
      1. egress of frontend/web to backend/api-0, tcp port 3000
         allowed: no policy isolates frontend/web at egress
      2. ingress of backend/api-0 from frontend/web, tcp port 3000
         allowed by
            policies/api.yaml:11  CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
      3. HTTP proxy of backend/api-0, GET /api?page=1
         denied: no rule of the proxy allows it; it was sent there by
            policies/api.yaml:11  CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
    ");
}

#[test]
fn as_wide_as_the_terminal() {
    let prediction = Prediction {
        answer: Answer::Deny(EnforcementPoint::Ingress),
        checks: vec![at_ingress(no_rule_allows())],
    };
    let look = ExplainStyle { colour: false, width: 50 };
    let text = explain(&pod("frontend/web"), &tcp("database/redis", 6379), &prediction, look);
    insta::assert_snapshot!(text, @"
    frontend/web -> tcp database/redis:6379: deny ingress
      1. ingress of database/redis from frontend/web,
         tcp port 6379
         denied: no rule allows it, and database/redis
         is isolated at ingress (default deny) by
            policies/redis.yaml:12
              CiliumNetworkPolicy database/redis spec.ingress[0]
            policies/default-deny.yaml:7
              CiliumNetworkPolicy database/default-deny spec.ingress[0]
         the nearest rule that allows something is
            policies/redis.yaml:12
              CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
            it fails on peer: app=backend is wanted,
            its label app is frontend
    ");
}

#[test]
fn for_programs() {
    let prediction = Prediction { answer: Answer::Allow, checks: vec![at_ingress(Decision::NotIsolated)] };
    let (source, attempt) = (pod("frontend/web"), tcp("database/redis", 6379));
    let cells = vec![ExplainedCell::new(&source, &attempt, &prediction)];
    let (scenario, step, cilium) = ("three-tier", "open", "1.20".to_owned());
    let explained = Explained { scenario, step, cilium, not_in_force: &[], cells };
    insta::assert_snapshot!(json(&explained).unwrap(), @r#"
    {
      "scenario": "three-tier",
      "step": "open",
      "cilium": "1.20",
      "not_in_force": [],
      "cells": [
        {
          "attempt": "tcp database/redis:6379",
          "source": "frontend/web",
          "answer": "allow",
          "checks": [
            {
              "point": "ingress",
              "endpoint": {
                "pod": "database/redis"
              },
              "question": "from frontend/web, tcp port 6379",
              "decision": "not-isolated"
            }
          ]
        }
      ]
    }
    "#);
}
