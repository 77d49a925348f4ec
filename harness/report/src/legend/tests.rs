//! The legends of tables that the rules of a scenario do not show.

use super::*;
use crate::fixture::{at_redis, cell, no_rule_allows, pod, tcp};

fn legend(prediction: Prediction, expected: &str, limit: usize) -> String {
    let cell = cell(tcp("database/redis", 6379), pod("frontend/web"), expected, prediction);
    let mut legend = Legend::default();
    let numbers = legend.refer(&cell, CiliumVersion::default());
    assert_eq!(numbers, legend.refer(&cell, CiliumVersion::default()), "the same cell refers to the same");
    let mut lines = vec![format!("cell {}{numbers}", cell.verdict)];
    lines.extend(legend.lines(Paint { colour: false }, limit));
    lines.join("\n")
}

#[test]
fn rules_stand_below_each_other_where_they_fit() {
    let prediction = at_redis(
        "frontend/web",
        Answer::Deny(EnforcementPoint::Ingress),
        Decision::NotIsolated,
        Some(no_rule_allows()),
    );
    insta::assert_snapshot!(legend(prediction, "deny ingress", 120), @"
    cell deny ingress[1]
    [1] default deny  policies/redis.yaml:12        CiliumNetworkPolicy database/redis spec.ingress[0]
        and           policies/default-deny.yaml:7  CiliumNetworkPolicy database/default-deny spec.ingress[0]
    ");
}

#[test]
fn the_mode_isolates() {
    let decision = Decision::NoRuleAllows { isolated_by: [].into(), nearest: None };
    let prediction = at_redis("frontend/web", Answer::Deny(EnforcementPoint::Egress), decision, None);
    insta::assert_snapshot!(legend(prediction, "deny egress", 100), @"
    cell deny egress[1]
    [1] default deny: every endpoint is isolated at egress in this mode
    ");
}

#[test]
fn the_node_itself() {
    let prediction =
        at_redis("frontend/web", Answer::Allow, Decision::NotIsolated, Some(Decision::LocalHost));
    insta::assert_snapshot!(legend(prediction, "allow", 100), @"
    cell allow[1]
    [1] the node's own traffic to its pods needs no rule
    ");
}

#[test]
fn no_policy() {
    let prediction =
        at_redis("frontend/web", Answer::Allow, Decision::NotIsolated, Some(Decision::NotIsolated));
    insta::assert_snapshot!(legend(prediction, "allow", 100), @"
    cell allow
    · no number: no policy isolates the source at egress or the target at ingress
    ");
}
