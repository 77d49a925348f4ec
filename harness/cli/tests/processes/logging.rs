//! The log on stderr: off by default, as lines or JSON, and never an escape sequence of somebody else's text.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::project::{GOOD, Project, Ran};

/// Runs a scenario in the lab with these arguments and this value of `VERDIKT_LOG`.
fn run(arguments: &[&str], variable: &str) -> Ran {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let arguments = [arguments, &["run", "redis.yaml", "--on", "model", "--quiet"]].concat();
    let mut command = project.command(&arguments);
    Ran::of(command.env("VERDIKT_LOG", variable))
}

#[test]
fn nothing_is_logged_unless_asked() {
    assert_eq!(run(&[], "").stderr, "");
}

#[test]
fn json_lines_say_scenario_and_step() {
    let ran = run(&["-v", "--log-format", "json"], "");
    assert!(told_of(&ran.stderr, "step").contains(&"locked down".to_owned()), "{ran}");
    assert!(told_of(&ran.stderr, "scenario").contains(&"redis".to_owned()), "{ran}");
}

/// Whatever is shown: nothing here.
#[test]
fn evidence_has_the_log() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let ran = project.verdikt(&["run", "redis.yaml", "--on", "model", "--quiet", "--evidence", "kept/here"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let log = std::fs::read_to_string(project.path("kept/here/log.jsonl")).unwrap();
    assert!(told_of(&log, "step").contains(&"locked down".to_owned()), "{log}");
}

/// What the spans of a log say by this name.
fn told_of(log: &str, name: &str) -> Vec<String> {
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")));
    let lines: Vec<BTreeMap<String, Strict>> = lines.collect();
    let spans = lines.into_iter().filter_map(|mut line| match line.remove("spans")? {
        Strict::Array(spans) => Some(spans),
        _ => None,
    });
    let told = spans.flatten().filter_map(|span| match span {
        Strict::Object(mut span) => span.remove(name),
        _ => None,
    });
    told.filter_map(|value| if let Strict::Text(text) = value { Some(text) } else { None }).collect()
}

/// A JSON value as a strict reader takes it: no object has a key twice.
#[derive(Debug)]
enum Strict {
    Object(BTreeMap<String, Strict>),
    Array(Vec<Strict>),
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a key that occurs twice")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, Strict>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` occurs twice")));
            }
            object.insert(key, value);
        }
        Ok(Strict::Object(object))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strict, A::Error> {
        let mut array = Vec::new();
        while let Some(value) = seq.next_element()? {
            array.push(value);
        }
        Ok(Strict::Array(array))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Strict, E> {
        Ok(Strict::Text(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Strict, E> {
        Ok(Strict::Other)
    }
}

#[test]
fn a_strict_reader_refuses_a_key_that_is_there_twice() {
    let read = serde_json::from_str::<Strict>(r#"{"span": {"name": "redis", "name": "scenario"}}"#);
    assert!(read.unwrap_err().to_string().starts_with("the key `name` occurs twice"));
}

#[test]
fn a_wrong_variable_says_what_to_write() {
    let ran = run(&[], "verdikt_runner=loud");
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("cannot read VERDIKT_LOG") && ran.stderr.contains("info,verdikt_cluster=debug")
    );
}
