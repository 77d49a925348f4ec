//! The schema that is checked in is the schema of the types.

use std::path::{Path, PathBuf};

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

/// An editor marks what the loader refuses, as far as a schema can.
#[test]
fn the_schema_knows_attempts_and_verdicts() {
    let validator = SchemaValidator::new();
    let is_valid = |attempt: &str, verdicts: serde_json::Value| {
        validator.is_valid(&serde_json::json!({
            "scenario": "s",
            "about": "Why.",
            "topology": {},
            "steps": [{"step": "one", "expect": {attempt: verdicts}}],
        }))
    };
    let all = || serde_json::json!({"allow": "others"});
    for attempt in ["tcp a/b:80", "http GET a/b:80/x Host=y via a/c", "dns+tcp api.shop", "icmp host"] {
        assert!(is_valid(attempt, all()), "{attempt}");
    }
    for attempt in ["tcp a/b", "htps GET a/b/", "http get a/b:80/", "ping a/b", "dns"] {
        assert!(!is_valid(attempt, all()), "{attempt}");
    }
    for words in ["deny egress", "audit", "deny http by shop/web"] {
        assert!(is_valid("icmp a/b", serde_json::json!({words: ["a/c"]})), "{words}");
    }
    for words in ["alow", "deny egres", "deny by"] {
        assert!(!is_valid("icmp a/b", serde_json::json!({words: ["a/c"]})), "{words}");
    }
    let topology = serde_json::json!({"namespaces": {"a": {}}, "pods": {"a/b": {"serves": ["tcp 80"]}}});
    assert!(validator.is_valid(&topology));
    assert!(!validator.is_valid(&serde_json::json!({"namespaces": {}, "podz": {}})));
    assert!(!validator.is_valid(&serde_json::json!({"apiVersion": "v1"})));
}
