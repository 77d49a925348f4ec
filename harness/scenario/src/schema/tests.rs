//! The schema that is checked in is the schema of the types.

use std::path::{Path, PathBuf};

use rstest::rstest;

use super::json_schema_text;
use super::validator::SchemaValidator;
use crate::loader::load;

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

#[test]
fn the_checked_in_schema_is_current() {
    let path = scenarios().join("schema.json");
    let current = json_schema_text();
    if std::env::var_os("VERDIKT_UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, &current).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == current,
        "scenarios/schema.json is not current: run this test with VERDIKT_UPDATE=1"
    );
}

#[test]
fn every_shipped_scenario_fits_the_schema() {
    let validator = SchemaValidator::new();
    for scenario in load(&[scenarios()]).scenarios {
        let text = std::fs::read_to_string(&*scenario.place.file).unwrap();
        let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
        for document in &documents {
            assert_eq!(validator.errors_of(document), None, "{}", scenario.place);
        }
    }
    for file in std::fs::read_dir(scenarios().join("topologies")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let document: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert!(validator.is_valid(&document), "{text}");
    }
}

/// Whether a scenario with one row in its table fits the schema.
fn row_is_valid(attempt: &str, verdicts: &serde_json::Value) -> bool {
    SchemaValidator::new().is_valid(&serde_json::json!({
        "scenario": "s",
        "about": "Why.",
        "topology": {},
        "steps": [{"step": "one", "expect": {attempt: verdicts}}],
    }))
}

/// An editor marks what the loader refuses, as far as a schema can.
#[rstest]
#[case::tcp("tcp a/b:80", true)]
#[case::http_with_a_header_and_a_backend("http GET a/b:80/x Host=y via a/c", true)]
#[case::dns_over_tcp("dns+tcp api.shop", true)]
#[case::icmp("icmp host", true)]
#[case::tcp_without_a_port("tcp a/b", false)]
#[case::misspelt_https("htps GET a/b/", false)]
#[case::method_in_lower_case("http get a/b:80/", false)]
#[case::unknown_protocol("ping a/b", false)]
#[case::dns_without_a_name("dns", false)]
fn the_schema_knows_attempts(#[case] attempt: &str, #[case] valid: bool) {
    assert_eq!(row_is_valid(attempt, &serde_json::json!({"allow": "others"})), valid);
}

#[rstest]
#[case::deny_egress("deny egress", true)]
#[case::audit("audit", true)]
#[case::deny_by_a_policy("deny http by shop/web", true)]
#[case::misspelt_allow("alow", false)]
#[case::misspelt_egress("deny egres", false)]
#[case::deny_by_nobody("deny by", false)]
fn the_schema_knows_verdicts(#[case] words: &str, #[case] valid: bool) {
    assert_eq!(row_is_valid("icmp a/b", &serde_json::json!({words: ["a/c"]})), valid);
}

#[rstest]
#[case::topology(serde_json::json!({"namespaces": {"a": {}}, "pods": {"a/b": {"serves": ["tcp 80"]}}}), true)]
#[case::misspelt_word(serde_json::json!({"namespaces": {}, "podz": {}}), false)]
#[case::kubernetes_object(serde_json::json!({"apiVersion": "v1"}), false)]
fn the_schema_knows_topologies(#[case] document: serde_json::Value, #[case] valid: bool) {
    assert_eq!(SchemaValidator::new().is_valid(&document), valid);
}
