//! A minor that is not known yet takes everything that the newest takes.

use std::io::Read as _;

use serde_json::Value as Json;
use verdikt_scenario::document::Unlocated;

use super::super::schema::Type;
use super::*;
use crate::versions::VersionSpan;

/// Every span of versions in a schema, with where it stands.
fn spans(schema: &ObjectSchema, path: &str, found: &mut Vec<(String, VersionSpan)>) {
    for group in schema.groups {
        found.push((format!("{path}{:?}", group.keys), group.versions));
    }
    for field in schema.fields {
        let path = format!("{path}.{}", field.name);
        found
            .extend([(format!("{path} exists"), field.exists), (format!("{path} required"), field.required)]);
        spans_of_type(&field.kind, &path, found);
    }
}

fn spans_of_type(kind: &Type, path: &str, found: &mut Vec<(String, VersionSpan)>) {
    match kind {
        Type::Object(schema) => spans(schema, path, found),
        Type::List { element, most } => {
            found.push((format!("{path} length"), most.versions));
            spans_of_type(element, path, found);
        }
        Type::Text(rules) | Type::IntegerOrText(rules) | Type::Texts(rules) => {
            found.extend(rules.iter().map(|rule| (format!("{path} {:?}", rule.form), rule.versions)));
        }
        Type::Anything | Type::Boolean | Type::Integer(..) => {}
    }
}

#[test]
fn no_table_ends_with_the_newest_minor() {
    let mut found = Vec::new();
    for kind in PolicyKind::ALL {
        for api in kind.api_versions() {
            found.push((format!("{kind} {api}"), behaviour::schema::serves(kind, &api)));
        }
        spans(KindSchema::of(kind, ApiChannel::default()).schema, kind.name(), &mut found);
    }
    assert!(found.len() > 500, "{}", found.len());
    let newest = CiliumVersion::default();
    let ends: Vec<_> =
        found.iter().filter(|(_, by)| by.contain(newest) != by.contain(newest.next())).collect();
    assert!(ends.is_empty(), "{ends:#?}");
    let (newest, next) = (behaviour::Behaviour::of(newest), behaviour::Behaviour::of(newest.next()));
    assert_eq!(newest, next);
}

#[test]
fn every_object_meets_the_same_fate() {
    let newest = CiliumVersion::default();
    let mut text = String::new();
    let file = include_bytes!("../../../tests/fixtures/mixed.jsonl.gz");
    flate2::read::GzDecoder::new(&file[..]).read_to_string(&mut text).unwrap();
    let mut stored = 0;
    for line in text.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        for policy in case["policies"].as_array().unwrap() {
            let Unlocated(object) = serde_json::from_value(policy["object"].clone()).unwrap();
            for validation in VALIDATIONS {
                let (known, next) =
                    (admit(&object, newest, validation), admit(&object, newest.next(), validation));
                assert_eq!((&known.refusals, &known.stored), (&next.refusals, &next.stored), "{object:?}");
                stored += usize::from(next.refusals.is_empty());
            }
        }
    }
    assert!(stored > 1_000, "{stored}");
}
