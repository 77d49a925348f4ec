//! The engine agrees with Cilium's own on every vector.

use std::path::Path;

#[path = "../examples/vectors.rs"]
#[expect(dead_code, reason = "the program around the comparison is not needed here")]
mod vectors;

fn check(file: &str, flows: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    let counts = vectors::count(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
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
