use serde_json::json;

use super::*;
use crate::fixture::{FixtureAnswer, absent, facts, server, status};

fn cilium(config: &[(&str, &str)]) -> CiliumFacts {
    let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    CiliumFacts { config, ..facts::<&str>([]).cilium }
}

#[test]
fn many_identities_are_told() {
    let check = |count: usize, config: &[(&str, &str)]| {
        too_many(count, &cilium(config)).unwrap_or_else(|| "few".to_owned())
    };
    let small = [("bpf-policy-map-max", "256")];
    let seen = [
        check(12_000, &[]),
        check(14_000, &[]),
        check(204, &small),
        check(205, &small),
        check(52_300, &[("bpf-policy-map-max", "65536")]),
        check(27_000, &[("bpf-policy-map-max", "65536"), ("max-connected-clusters", "511")]),
        check(27_000, &[("bpf-policy-map-max", "65536"), ("max-connected-clusters", "7")]),
    ];
    insta::assert_snapshot!(seen.join("\n"), @"
    few
    the cluster has 14000 identities, and the policy map of an endpoint 16384 entries (bpf-policy-map-max): a rule for many peers takes one for each, and beyond them its endpoint keeps its old policy
    few
    the cluster has 205 identities, and the policy map of an endpoint 256 entries (bpf-policy-map-max): a rule for many peers takes one for each, and beyond them its endpoint keeps its old policy
    the cluster has 52300 identities of at most 65280: beyond, new pods get none and never start; labels that change often can be kept out of identities (the Helm value `labels`)
    the cluster has 27000 identities of at most 32512: beyond, new pods get none and never start; labels that change often can be kept out of identities (the Helm value `labels`)
    few
    ");
}

#[test]
fn the_fullest_policy_map_is_told() {
    let metric = |map: &str, value: f64| json!({"name": "cilium_bpf_map_pressure", "labels": {"map_name": map}, "value": value});
    let check = |metrics: Value| {
        let pressure = policy_map_pressure(&metrics.to_string());
        let told = pressure.and_then(|it| overflow("worker", it, &cilium(&[("bpf-policy-map-max", "256")])));
        told.unwrap_or_else(|| "nothing".to_owned())
    };
    let seen = [
        check(json!([])),
        check(json!("No such command")),
        check(json!([metric("call_policy", 0.9), metric("lxc", 0.95), metric("policy_*", 0.79)])),
        check(json!([metric("cilium_policy_v2_*", 0.93)])),
        // As versions before 1.20 name each map.
        check(json!([metric("policy_00012", 1.3), metric("policy_00013", 0.1)])),
    ];
    insta::assert_snapshot!(seen.join("\n"), @"
    nothing
    nothing
    nothing
    the policy map of an endpoint on node worker is 93 % full, of 256 entries (bpf-policy-map-max)
    the policy map of an endpoint on node worker is full: its policy needs 130 % of the 256 entries (bpf-policy-map-max), so raise that, or admit fewer peers and ports
    ");
}

#[tokio::test]
async fn identities_are_counted_by_one_small_request() {
    let (connection, log) = server(|_| {
        FixtureAnswer::Json(
            200,
            json!({"metadata": {"remainingItemCount": 14_199}, "items": [{"metadata": {"name": "1"}}]}),
        )
    });
    let facts = facts::<&str>([]);
    let told = near(&connection, &facts).await;
    assert!(told[0].starts_with("the cluster has 14200 identities"), "{told:?}");
    insta::assert_snapshot!(log.text(), @"GET /apis/cilium.io/v2/ciliumidentities?limit=1");

    let (connection, _) = server(|_| status(403, "Forbidden", "User \"ann\" cannot list"));
    assert_eq!(near(&connection, &facts).await, Vec::<String>::new());
    let (connection, _) = server(|_| absent());
    assert_eq!(near(&connection, &facts).await, Vec::<String>::new());
}
