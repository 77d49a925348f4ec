//! The schema that is checked in is the schema of the types.

use std::path::{Path, PathBuf};

use super::{json_schema, json_schema_text};
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
    let validator = jsonschema::validator_for(json_schema()).unwrap();
    for scenario in load(&[scenarios()]).scenarios {
        let text = std::fs::read_to_string(&*scenario.place.file).unwrap();
        let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
        let errors = validator.iter_errors(&documents[0]).map(|error| error.to_string());
        assert_eq!(errors.collect::<Vec<_>>(), Vec::<String>::new(), "{}", scenario.place);
    }
}
