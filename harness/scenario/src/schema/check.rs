//! The structural check: compares a tree with the schema, and reports every misfit at its place.
//!
//! A deserializer stops at the first misfit; an author wants to see all of them. The check reads the same schema
//! that editors get, so the two cannot disagree.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{guesses, json_schema};
use crate::diagnostic::Diagnostic;
use crate::document::{Entry, Value, YamlNode};
use crate::lower::suggest::{listed, nearest};
use crate::place::Position;

/// The result of comparing a tree with the schema.
pub(crate) struct SchemaMismatches {
    /// Every misfit.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The places of unknown keys.
    unknown: Vec<Position>,
}

impl SchemaMismatches {
    /// The tree without its unknown keys; none if anything else is wrong with it.
    pub(crate) fn readable<'a>(&self, node: &'a YamlNode) -> Option<Cow<'a, YamlNode>> {
        match (self.diagnostics.len(), self.unknown.len()) {
            (0, _) => Some(Cow::Borrowed(node)),
            (misfits, unknown) if misfits == unknown => Some(Cow::Owned(without(node, &self.unknown))),
            _ => None,
        }
    }
}

/// A tree without the keys at some places.
fn without(node: &YamlNode, keys: &[Position]) -> YamlNode {
    let value = match &node.value {
        Value::List(elements) => Value::List(elements.iter().map(|node| without(node, keys)).collect()),
        Value::Map(entries) => {
            let kept = entries.iter().filter(|entry| !keys.contains(&entry.position));
            Value::Map(
                kept.map(|entry| Entry { value: without(&entry.value, keys), ..entry.clone() }).collect(),
            )
        }
        other => other.clone(),
    };
    YamlNode { value, position: node.position }
}

/// The misfits of a scenario.
pub(crate) fn scenario(node: &YamlNode, file: &Arc<str>) -> SchemaMismatches {
    check(&json_schema()["$defs"]["Scenario"], node, file, "the scenario")
}

/// The misfits of a topology file.
pub(crate) fn topology(node: &YamlNode, file: &Arc<str>) -> SchemaMismatches {
    check(&json_schema()["$defs"]["Topology"], node, file, "the topology")
}

fn check(schema: &Json, node: &YamlNode, file: &Arc<str>, what: &str) -> SchemaMismatches {
    let mut check =
        SchemaCheck { file, misfits: SchemaMismatches { diagnostics: Vec::new(), unknown: Vec::new() } };
    check.node(schema, node, what);
    check.misfits
}

struct SchemaCheck<'a> {
    file: &'a Arc<str>,
    misfits: SchemaMismatches,
}

impl SchemaCheck<'_> {
    fn report(&mut self, position: Position, message: String, help: Option<String>) {
        let diagnostic = Diagnostic::error(position.in_file(self.file), message);
        self.misfits.diagnostics.push(Diagnostic { help, ..diagnostic });
    }

    fn node(&mut self, schema: &Json, node: &YamlNode, what: &str) {
        let schema = resolve(schema, node);
        if let Some(words) = words(schema) {
            return self.word(&words, node, what);
        }
        let types = types(schema);
        let fits = |wanted: &&str| {
            *wanted == node.value.type_name()
                || (*wanted == "number" && matches!(node.value, Value::Integer(_)))
        };
        if !types.is_empty() && !types.iter().any(fits) {
            return self.wrong_type(&types, node, what);
        }
        for element in node.elements() {
            if let Some(items) = schema.get("items") {
                self.node(items, element, &format!("an entry of {what}"));
            }
        }
        if let Value::Map(_) = node.value {
            self.mapping(schema, node, what);
        }
    }

    fn mapping(&mut self, schema: &Json, node: &YamlNode, what: &str) {
        let properties = schema.get("properties").and_then(Json::as_object);
        let known = || properties.into_iter().flat_map(|keys| keys.keys().map(String::as_str));
        for entry in node.entries() {
            let own = properties.and_then(|keys| keys.get(entry.key.as_str()));
            // Lowering reports better which pattern a key should have; all patterns of a table have the same values.
            let patterns = schema.get("patternProperties").and_then(Json::as_object);
            let of_pattern = patterns.and_then(|patterns| patterns.values().next());
            match own.or(of_pattern).or_else(|| schema.get("additionalProperties")) {
                None => {}
                Some(Json::Bool(false)) => {
                    let near = || nearest(&entry.key, known()).map(|near| format!("did you mean `{near}`?"));
                    let help = guesses::of_key(&entry.key, known()).map(str::to_owned).or_else(near);
                    let help = help.unwrap_or_else(|| format!("the keys known here are {}", listed(known())));
                    self.misfits.unknown.push(entry.position);
                    self.report(entry.position, format!("unknown key `{}`", entry.key), Some(help));
                }
                Some(schema) => self.node(schema, &entry.value, &format!("`{}`", entry.key)),
            }
        }
        let required = schema.get("required").and_then(Json::as_array);
        for key in required.into_iter().flatten().filter_map(Json::as_str) {
            if !node.entries().iter().any(|entry| entry.key == key) {
                self.report(node.position, format!("`{key}` is missing in {what}"), None);
            }
        }
    }

    fn word(&mut self, words: &[&str], node: &YamlNode, what: &str) {
        let Some(text) = node.text() else { return self.wrong_type(&["string"], node, what) };
        if !words.contains(&text) {
            let near = || nearest(text, words.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let help = guesses::of_word(text, words).map(str::to_owned).or_else(near);
            let help =
                help.unwrap_or_else(|| format!("the words known here are {}", listed(words.iter().copied())));
            self.report(node.position, format!("`{text}` is not a word for {what}"), Some(help));
        }
    }

    fn wrong_type(&mut self, wanted: &[&str], node: &YamlNode, what: &str) {
        let found = node.value.type_name();
        let names: Vec<&str> =
            wanted.iter().filter(|name| **name != "null").map(|name| in_words(name)).collect();
        let message = format!("{what} must be {}, and this is {}", names.join(" or "), in_words(found));
        let help = help_with_type(wanted, node, what);
        self.report(node.position, message, help);
    }
}

/// What to do about a value of another type than the wanted ones.
fn help_with_type(wanted: &[&str], node: &YamlNode, what: &str) -> Option<String> {
    let wants = |name: &str| wanted.contains(&name);
    let only = |name: &str| wanted.iter().all(|other| [name, "null"].contains(other));
    let is_address = || node.text().is_some_and(|text| text.parse::<IpAddr>().is_ok());
    let help = match node.value.type_name() {
        "null" if what == "`expect`" => {
            "name at least one attempt below it: `tcp database/redis:6379: {allow: others}`"
        }
        "null" if what == "`steps`" => "write at least one step below it: `- step: NAME`",
        "null" if wants("object") => "write `{}` for nothing",
        "null" if wants("array") => "write `[]` for nothing",
        "null" => return None,
        "number" if wants("string") => "write it in quotes: without them YAML takes 1.20 for the number 1.2",
        "integer" if what == "an entry of `serves`" => "say what listens there: `tcp 8080`",
        _ if guesses::of_shape(what, wanted).is_some() => guesses::of_shape(what, wanted)?,
        "boolean" | "integer" if wants("string") => "write it in quotes",
        "string" if only("boolean") => guesses::of_switch(node.text()?),
        "integer" if only("boolean") => guesses::SWITCH,
        "string" | "object" if only("array") => "write it in brackets: `[…]`",
        "array" if only("object") => "write it in braces, each name with what it is: `{name: …}`",
        "array" if wants("string") => "write one, without brackets",
        "string" if only("object") && is_address() => {
            return node.text().map(|text| format!("write `{{address: {text}}}`"));
        }
        "string" | "integer" | "boolean" if only("object") => {
            "write what it is in braces, `{key: value}`, or `{}` for nothing"
        }
        _ => return None,
    };
    Some(help.to_owned())
}

/// Follows references; of alternatives it takes the one that is not `null`.
fn resolve<'a>(schema: &'a Json, node: &YamlNode) -> &'a Json {
    if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
        let name = reference.trim_start_matches("#/$defs/");
        return resolve(&json_schema()["$defs"][name], node);
    }
    let Some(alternatives) = schema.get("anyOf").and_then(Json::as_array) else { return schema };
    let is_null = |alternative: &&Json| alternative["type"] == "null";
    let found = if node.value == Value::Null {
        alternatives.iter().find(is_null)
    } else {
        alternatives.iter().find(|alternative| !is_null(alternative))
    };
    found.map_or(schema, |schema| resolve(schema, node))
}

fn types(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(name)) => vec![name],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The words of a vocabulary, if the schema describes one.
fn words(schema: &Json) -> Option<Vec<&str>> {
    if let Some(words) = schema.get("enum").and_then(Json::as_array) {
        return Some(words.iter().filter_map(Json::as_str).collect());
    }
    let alternatives = schema.get("oneOf")?.as_array()?;
    Some(alternatives.iter().filter_map(|alternative| alternative.get("const")?.as_str()).collect())
}

fn in_words(type_name: &str) -> &str {
    match type_name {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        _ => "nothing",
    }
}
