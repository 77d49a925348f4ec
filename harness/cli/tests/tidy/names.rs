//! One type, one name: a name that stands for two types must be read twice to be understood.

use std::collections::BTreeMap;

use crate::{Source, none, sources};

/// Names that two packages have all the same, with the package whose type is the exception.
const SHARED: &[(&str, &str)] = &[
    // The messages of Hubble's protocol have the names of its `.proto` files.
    ("Dns", "harness/hubble/src/messages/"),
    ("Endpoint", "harness/hubble/src/messages/"),
    ("Flow", "harness/hubble/src/messages/"),
    ("Policy", "harness/hubble/src/messages/"),
    ("Ports", "harness/hubble/src/messages/"),
    ("Verdict", "harness/hubble/src/messages/"),
];

/// The name of the type or trait that a line declares.
fn declared(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub").map_or(line, |rest| {
        let rest =
            rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest);
        rest.trim_start()
    });
    let (keyword, rest) = line.split_once(' ')?;
    let top_level = matches!(keyword, "struct" | "enum" | "trait" | "union");
    let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
    (top_level && rest.starts_with(char::is_uppercase)).then(|| &rest[..end])
}

fn is_exception(name: &str, source: &Source) -> bool {
    SHARED.iter().any(|(shared, path)| *shared == name && source.path.starts_with(path))
}

#[test]
fn a_type_has_a_name_of_its_own() {
    let sources = sources();
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is_production()) {
        for (number, line) in (1..).zip(source.text.lines()) {
            let Some(name) = declared(line).filter(|name| !is_exception(name, source)) else { continue };
            places.entry(name).or_default().push(format!("{}:{number}", source.path));
        }
    }
    let broken: Vec<String> = places
        .iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect();
    none(&broken, "give each of these types a name that says what it is");
}

#[test]
fn exceptions_are_needed() {
    let sources = sources();
    let needed = |(name, path): &(&str, &str)| {
        let mut here = sources.iter().filter(|source| source.path.starts_with(path));
        here.any(|source| source.text.lines().any(|line| declared(line) == Some(name)))
    };
    let broken: Vec<String> = SHARED
        .iter()
        .filter(|shared| !needed(shared))
        .map(|(name, path)| format!("{name} in {path}"))
        .collect();
    none(&broken, "these types are gone: remove the exceptions");
}
