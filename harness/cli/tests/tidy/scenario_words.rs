//! Every word of the scenario format is used by at least two scenarios of this repository: one that shows it, and one in the
//! shape of a report.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::{Source, none, root, sources};

const FEWEST: usize = 2;
/// The definition of documents that are no scenarios.
const OF_MANIFESTS: &str = "Manifest";

#[test]
fn scenarios_use_every_word_twice() {
    let schema = fs::read_to_string(root().join("scenarios/schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut words = BTreeSet::new();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        if name != OF_MANIFESTS {
            collect(definition, &mut words);
        }
    }
    assert!(
        words.contains("hostPorts") && words.contains("deny egress"),
        "the schema has no words: {words:?}"
    );
    let scenarios: Vec<Source> =
        sources().into_iter().filter(|source| source.path.starts_with("scenarios/")).collect();
    let rare = words.iter().filter_map(|word| {
        let users: Vec<&str> =
            scenarios.iter().filter(|source| uses(&source.text, word)).map(|it| it.path.as_str()).collect();
        (users.len() < FEWEST).then(|| format!("`{word}` in {users:?}"))
    });
    none(&rare.collect::<Vec<_>>(), "use these words of the format in a second scenario");
}

/// The keys that objects of a definition have.
fn collect(definition: &Value, words: &mut BTreeSet<String>) {
    match definition {
        Value::Object(map) => {
            let keys = map.get("properties").and_then(Value::as_object);
            words.extend(keys.into_iter().flat_map(|keys| keys.keys().cloned()));
            map.values().for_each(|value| collect(value, words));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, words)),
        _ => {}
    }
}

/// Whether a file has a key.
fn uses(text: &str, key: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    text.match_indices(&format!("{key}:")).any(|(at, _)| !text[..at].ends_with(is_word))
}
