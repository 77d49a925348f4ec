use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::json;

use super::agents::{AgentAnswer, has_read, have_realized};
use super::cause::{last_failure, unhealthy_endpoints};
use super::forgotten::has_forgotten;
use super::identities::{Comparison, are_known, labels};
use super::own_pods::OwnPods;
use super::validity::verdict;

fn show(answer: AgentAnswer) -> String {
    match answer {
        AgentAnswer::Yes(revision) => format!("yes, revision {revision}"),
        AgentAnswer::No(last) => last,
    }
}

/// Pods with an address each.
fn own_pods(pods: &[(&str, &str)]) -> OwnPods {
    let pods =
        pods.iter().map(|(name, address)| ((*name).to_owned(), vec![address.parse::<IpAddr>().unwrap()]));
    OwnPods(pods.collect())
}

fn networking(address: &str) -> serde_json::Value {
    json!({"addressing": [{"ipv4": address}]})
}

#[test]
fn an_agent_has_read_what_its_policy_holds() {
    let said = r#"{"policy": "[{\"labels\": [{\"key\": \"io.cilium.k8s.policy.uid\", \"value\": \"u-1\"}]}]", "revision": 12}"#;
    let check = |said: &str, canaries: &[&str]| {
        show(has_read(said, &canaries.iter().map(|uid| (*uid).to_owned()).collect::<Vec<_>>()))
    };
    let seen = [
        check(said, &[]),
        check(said, &["u-1"]),
        check(said, &["u-1", "u-2"]),
        check(r#"{"policy": "[]"}"#, &[]),
        check("Error: Cannot get policy", &[]),
    ];
    insta::assert_snapshot!(seen.join("\n"), @"
    yes, revision 12
    yes, revision 12
    the agent has not read the last changes of 1 kinds of policies
    the agent's policy has no revision
    cannot read the agent's policy
    ");
}

#[test]
fn an_agent_has_forgotten_what_its_policy_no_longer_holds() {
    let said = r#"{"policy": "[{\"labels\": [{\"key\": \"io.cilium.k8s.policy.uid\", \"value\": \"u-1\"}]}]", "revision": 12}"#;
    let check = |said: &str, uid: &str| show(has_forgotten(said, &[uid.to_owned()]));
    let seen = [check(said, "u-1"), check(said, "u-2"), check("Error: Cannot get policy", "u-1")];
    insta::assert_snapshot!(seen.join("\n"), @"
    the agent still has a policy that was removed
    yes, revision 0
    cannot read the agent's policy
    ");
}

#[test]
fn every_pod_must_have_realized_the_revision() {
    let endpoint_at = |address: &str, pod: &str, state: &str, revision: u64| {
        json!({"id": 7, "status": {
            "networking": networking(address),
            "external-identifiers": {"k8s-namespace": "shop", "k8s-pod-name": pod, "pod-name": format!("shop/{pod}")},
            "state": state, "policy": {"realized": {"policy-revision": revision}},
        }})
    };
    let endpoint = |pod: &str, state: &str, revision: u64| {
        let address = if pod == "cart" { "10.0.0.1" } else { "10.0.0.2" };
        endpoint_at(address, pod, state, revision)
    };
    let host = |revision: u64| {
        json!({"id": 1, "status": {
            "external-identifiers": {"pod-name": "/"}, "identity": {"labels": ["reserved:host"]},
            "state": "ready", "policy": {"realized": {"policy-revision": revision}},
        }})
    };
    let pods = own_pods(&[("shop/cart", "10.0.0.1"), ("shop/search", "10.0.0.2")]);
    let before = endpoint_at("10.0.0.9", "cart", "disconnecting", 3);
    let check = |endpoints: serde_json::Value, with_host: bool| {
        show(have_realized(&endpoints.to_string(), 12, &pods, with_host))
    };
    let (cart, search) = (endpoint("cart", "ready", 12), endpoint("search", "ready", 13));
    let seen = [
        check(json!([cart, search, endpoint("other", "regenerating", 1)]), false),
        check(json!([cart, search, host(11)]), false),
        check(json!([cart, search, host(11)]), true),
        check(json!([cart, search, before]), false),
        check(json!([before, search]), false),
        check(json!([cart]), false),
        check(json!([cart, endpoint("search", "ready", 11)]), false),
        check(json!([cart, endpoint("search", "regenerating", 12)]), false),
        check(json!("garbage"), false),
    ];
    insta::assert_snapshot!(seen.join("\n"), @"
    yes, revision 12
    yes, revision 12
    the node has realized revision 11 and is in state ready
    yes, revision 12
    the agent has no endpoint of shop/cart
    the agent has no endpoint of shop/search
    shop/search has realized revision 11 and is in state ready
    shop/search has realized revision 12 and is in state regenerating
    cannot read the agent's endpoints
    ");
}

#[test]
fn identities_are_compared_with_what_was_ever_predicted() {
    let set = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    let check = |wanted: &[&str], before: &[&str], actual: &[&str]| {
        let (wanted, before) = (set(wanted), set(before));
        Comparison { wanted: &wanted, before: Some(&before) }
            .differs(&set(actual))
            .unwrap_or_else(|| "the same".to_owned())
    };
    let cluster = "k8s:io.cilium.k8s.policy.cluster=";
    let seen = [
        check(&["k8s:app=a"], &[], &["k8s:app=a", "k8s:somebody=else"]),
        check(&["k8s:app=a", "k8s:new=1"], &[], &["k8s:app=a"]),
        check(&["k8s:app=a"], &["k8s:old=1"], &["k8s:app=a", "k8s:old=1"]),
        check(&["k8s:app=b"], &["k8s:app=a"], &["k8s:app=a"]),
        check(&["k8s:app="], &[], &["k8s:app"]),
        check(&[&format!("{cluster}default")], &[], &[&format!("{cluster}prod")]),
    ];
    insta::assert_snapshot!(seen.join("\n"), @"
    the same
    its identity lacks k8s:new=1
    its identity still has k8s:old=1
    its identity lacks k8s:app=b, and its identity still has k8s:app=a
    the same
    the same
    ");
}

#[test]
fn an_agent_knows_pods_by_their_labels() {
    let labels = BTreeSet::from(["k8s:app=cart".to_owned()]);
    let comparison = Comparison { wanted: &labels, before: None };
    let wanted = BTreeMap::from([(("shop".to_owned(), "cart".to_owned()), comparison)]);
    let pods = own_pods(&[("shop/cart", "10.0.0.1")]);
    let endpoint = |address: &str, label: &str| {
        json!({"status": {
            "external-identifiers": {"pod-name": "shop/cart"}, "identity": {"labels": [label]},
            "networking": networking(address),
        }})
    };
    let check =
        |endpoints: &[serde_json::Value]| show(are_known(&json!(endpoints).to_string(), &wanted, &pods));
    let (own, before) = (endpoint("10.0.0.1", "k8s:app=cart"), endpoint("10.0.0.9", "k8s:app=cart"));
    let initial = endpoint("10.0.0.1", "reserved:init");
    let seen = [
        check(std::slice::from_ref(&own)),
        check(&[endpoint("10.0.0.1", "k8s:app=old")]),
        check(&[]),
        // The pod that had the name before may still be there.
        check(&[initial, before.clone()]),
        check(std::slice::from_ref(&before)),
        check(&[own, endpoint("10.0.0.9", "k8s:app=old")]),
    ];
    insta::assert_snapshot!(seen.join("\n"), @"
    yes, revision 0
    shop/cart: its identity lacks k8s:app=cart
    the agent has no endpoint of shop/cart
    shop/cart: its identity lacks k8s:app=cart
    the agent has no endpoint of shop/cart
    yes, revision 0
    ");
}

#[test]
fn objects_say_how_they_were_judged() {
    let endpoint = json!({"status": {"identity": {"id": 1, "labels": ["k8s:app=redis", "k8s:x"]}}});
    assert_eq!(labels(&endpoint).len(), 2);
    let check = |conditions: serde_json::Value| {
        format!("{:?}", verdict(&json!({"status": {"conditions": conditions}})))
    };
    let seen = [
        check(json!(null)),
        check(json!([{"type": "Other", "status": "True"}])),
        check(json!([{"type": "Valid", "status": "True", "message": "Policy validation succeeded"}])),
        check(json!([{"type": "Valid", "status": "False", "message": "unable to parse port"}])),
    ];
    insta::assert_snapshot!(seen.join("\n"), @r#"
    None
    None
    Some(Ok(()))
    Some(Err("unable to parse port"))
    "#);
}

#[test]
fn the_log_of_an_endpoint_names_its_newest_failure() {
    let entry = |code: &str, message: &str| json!({"timestamp": "2026-01-01T00:00:00Z", "code": code, "message": message, "state": "ready"});
    let check = |entries: serde_json::Value| {
        last_failure(&entries.to_string()).unwrap_or_else(|| "nothing".to_owned())
    };
    let retry = entry("OK", "Triggering endpoint regeneration due to retry");
    let full = entry(
        "Failure",
        "Error regenerating endpoint: policymap synchronization failed: syncPolicyMapDelta failed\n",
    );
    let slow = entry("Warning", "Endpoint regeneration failed: timed out");
    let seen = [
        check(json!([])),
        check(json!([retry])),
        check(json!([retry, slow, full, entry("Failure", "an older one")])),
        check(json!([retry, slow])),
        check(json!("Cannot get endpoint log")),
    ];
    insta::assert_snapshot!(seen.join("\n"), @"
    nothing
    nothing
    Error regenerating endpoint: policymap synchronization failed: syncPolicyMapDelta failed
    Endpoint regeneration failed: timed out
    nothing
    ");
}

#[test]
fn endpoints_that_are_not_ready_ail() {
    let endpoint = |id: u64, pod: &str, state: &str| json!({"id": id, "status": {"external-identifiers": {"pod-name": pod}, "state": state}});
    let said = json!([
        endpoint(1, "shop/cart", "not-ready"),
        endpoint(2, "shop/search", "ready"),
        endpoint(3, "other/cart", "not-ready"),
        endpoint(4, "shop/orders", "waiting-for-identity"),
    ]);
    let pods = ["shop/cart", "shop/search", "shop/orders"].map(str::to_owned).into();
    let found: Vec<String> = unhealthy_endpoints(&said.to_string(), &pods)
        .iter()
        .map(|it| format!("{} {}", it.id, it.pod))
        .collect();
    assert_eq!(found, ["1 shop/cart", "4 shop/orders"]);
}
