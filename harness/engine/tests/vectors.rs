//! The engine agrees with Cilium's own on every vector.

use std::path::Path;

use verdikt_scenario::version::CiliumVersion;

#[path = "../examples/vectors.rs"]
#[expect(dead_code, reason = "the program around the comparison is not needed here")]
mod vectors;

fn check(file: &str, flows: usize) {
    check_for(CiliumVersion::V1_20, file, flows);
}

fn check_for(version: CiliumVersion, file: &str, flows: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    let counts = vectors::count(&path, version).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert!(counts.shown.is_empty(), "{}", counts.shown.join("\n"));
    assert_eq!((counts.flows, counts.disagreements, counts.abstained, counts.validity), (flows, 0, 0, 0));
}

#[test]
fn kubernetes_networkpolicy() {
    check("kubernetes-networkpolicy.jsonl.gz", 12_000);
}

#[test]
fn ciliumnetworkpolicy() {
    check("ciliumnetworkpolicy.jsonl.gz", 19_200);
}

#[test]
fn ciliumclusterwidenetworkpolicy() {
    check("ciliumclusterwidenetworkpolicy.jsonl.gz", 12_000);
}

#[test]
fn all_kinds_together() {
    check("mixed.jsonl.gz", 28_800);
}

/// What the agent of 1.20 decides with `k8sClusterNetworkPolicy.enabled`, and what its DNS proxy answers.
#[test]
fn cluster_network_policy() {
    check("cluster-network-policy.jsonl.gz", 27_120);
    check("cluster-network-policy-dns.jsonl.gz", 6_400);
}

/// Requests that a real Envoy answered. Where its releases differ the engine abstains.
#[test]
fn http_requests() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/http.jsonl.gz");
    let counts = vectors::count(&path, CiliumVersion::default()).unwrap_or_else(|error| panic!("{error}"));
    assert!(counts.shown.is_empty(), "{}", counts.shown.join("\n"));
    assert_eq!((counts.flows, counts.disagreements, counts.validity), (5_688, 0, 0));
    assert!(counts.abstained * 100 <= counts.flows, "{}", counts.abstained);
}

/// The engines of every version, each on cases of its own.
#[test]
fn every_version() {
    let flows = [(13_200, 14_874), (13_200, 14_880), (13_200, 14_280), (13_200, 14_208), (13_200, 20_880)];
    for (version, (base, wide)) in CiliumVersion::ALL.into_iter().zip(flows) {
        check_for(version, &format!("versions/{version}-base.jsonl.gz"), base);
        check_for(version, &format!("versions/{version}-wide.jsonl.gz"), wide);
    }
}

/// A minor that is not known yet decides as the newest does.
#[test]
fn the_next_version() {
    check_for(CiliumVersion::default().next(), "versions/1.20-wide.jsonl.gz", 20_880);
}
