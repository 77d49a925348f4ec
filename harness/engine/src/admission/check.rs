//! Compares an object with its schema, and words refusals as the API server does.

use verdikt_scenario::document::{Entry, Value, YamlNode};
use verdikt_scenario::loader::nearest;
use verdikt_scenario::version::CiliumVersion;

use super::schema::{GroupRule, KeyGroup, ObjectSchema, TextForm, TextRule, Type};
use crate::refusal::{Refusal, RefusalKind, RefusedPart};

/// The fields that the API server does not know, as a strict client reports them.
pub(super) fn unknown_fields(
    object: &YamlNode,
    schema: &ObjectSchema,
    version: CiliumVersion,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    unknown_in_object(object, schema, "", version, &mut refusals);
    refusals
}

fn unknown_in_object(
    node: &YamlNode,
    schema: &ObjectSchema,
    path: &str,
    version: CiliumVersion,
    refusals: &mut Vec<Refusal>,
) {
    for entry in node.entries() {
        let path = join(path, &entry.key);
        if let Some(field) = schema.field(&entry.key, version) {
            unknown_in_value(&entry.value, &field.kind, &path, version, refusals);
        } else {
            let fields = schema.fields.iter().filter(|field| field.exists.contain(version));
            let meant = nearest(&entry.key, fields.map(|field| field.name));
            refusals.push(unknown_field(entry, path, meant));
        }
    }
}

fn unknown_in_value(
    node: &YamlNode,
    kind: &Type,
    path: &str,
    version: CiliumVersion,
    refusals: &mut Vec<Refusal>,
) {
    match kind {
        Type::Object(schema) => unknown_in_object(node, schema, path, version, refusals),
        Type::List { element, .. } => {
            for (index, node) in node.elements().iter().enumerate() {
                unknown_in_value(node, element, &format!("{path}[{index}]"), version, refusals);
            }
        }
        // A mapping in place of a text or a number has only unknown fields.
        Type::Text(_) | Type::Integer(..) | Type::IntegerOrText(_) | Type::Boolean => {
            for entry in node.entries() {
                refusals.push(unknown_field(entry, join(path, &entry.key), None));
            }
        }
        _ => {}
    }
}

fn unknown_field(entry: &Entry, path: String, meant: Option<&'static str>) -> Refusal {
    let message = format!("strict decoding error: unknown field {path:?}");
    let kind = RefusalKind::UnknownField { path, meant };
    Refusal { kind, part: RefusedPart::Specification, message, position: entry.position }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Why the API server refuses an object without unknown fields.
pub(super) fn refusals(object: &YamlNode, schema: &ObjectSchema, version: CiliumVersion) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    check_object(object, schema, "", version, &mut refusals);
    refusals
}

/// Adds a refusal of an invalid value.
pub(super) fn refuse(node: &YamlNode, message: String, refusals: &mut Vec<Refusal>) {
    refuse_as(RefusalKind::InvalidValue, node, message, refusals);
}

fn refuse_as(kind: RefusalKind, node: &YamlNode, message: String, refusals: &mut Vec<Refusal>) {
    refusals.push(Refusal { kind, part: RefusedPart::Specification, message, position: node.position });
}

fn check_object(
    node: &YamlNode,
    schema: &ObjectSchema,
    path: &str,
    version: CiliumVersion,
    refusals: &mut Vec<Refusal>,
) {
    if !matches!(node.value, Value::Map(_)) {
        return wrong_type(node, path, "object", refusals);
    }
    for group in schema.groups.iter().filter(|group| group.versions.contain(version)) {
        check_group(node, group, path, refusals);
    }
    for field in schema.fields.iter().filter(|field| field.exists.contain(version)) {
        match node.get(field.name) {
            Some(value) => {
                let before = refusals.len();
                check_value(value, &field.kind, &join(path, field.name), version, refusals);
                if path.is_empty() && field.name == "metadata" {
                    refusals[before..].iter_mut().for_each(|refusal| refusal.part = RefusedPart::Identity);
                }
            }
            None if field.required.contain(version) => {
                refuse(node, format!("{}: Required value", join(path, field.name)), refusals);
            }
            None => {}
        }
    }
    if let Some(extra) = schema.extra {
        extra(node, path, version, refusals);
    }
}

fn check_group(node: &YamlNode, group: &KeyGroup, path: &str, refusals: &mut Vec<Refusal>) {
    let present = group.keys.iter().filter(|key| node.get(key).is_some()).count();
    let message = match (group.rule, present) {
        (GroupRule::AnyOf, 0) => {
            format!("<nil>: Invalid value: \"\": {path:?} must validate at least one schema (anyOf)")
        }
        (GroupRule::OneOf, 0) => {
            format!(
                "<nil>: Invalid value: \"\": {path:?} must validate one and only one schema (oneOf). Found none valid"
            )
        }
        (GroupRule::OneOf, 2..) => format!(
            "<nil>: Invalid value: \"\": {path:?} must validate one and only one schema (oneOf). Found {present} valid alternatives"
        ),
        _ => return,
    };
    refuse(node, message, refusals);
    if present == 0 {
        refuse(node, format!("{}: Required value", join(path, group.keys[0])), refusals);
    }
}

/// What the API server calls a text.
const TEXT: &str = "string";

fn wrong_type(node: &YamlNode, path: &str, wanted: &str, refusals: &mut Vec<Refusal>) {
    let given = node.value.type_name();
    let message =
        format!("{path}: Invalid value: {given:?}: {path} in body must be of type {wanted}: {given:?}");
    let kind = if wanted == TEXT { RefusalKind::NotText } else { RefusalKind::InvalidValue };
    refuse_as(kind, node, message, refusals);
}

fn check_value(
    node: &YamlNode,
    kind: &Type,
    path: &str,
    version: CiliumVersion,
    refusals: &mut Vec<Refusal>,
) {
    match (kind, &node.value) {
        (Type::Anything, _)
        | (Type::Boolean, Value::Boolean(_))
        | (Type::IntegerOrText(_), Value::Integer(_)) => {}
        (Type::Boolean, _) => wrong_type(node, path, "boolean", refusals),
        (Type::Integer(least, most), Value::Integer(number)) => {
            let (bound, words) = if number < least { (least, "greater") } else { (most, "less") };
            if number < least || number > most {
                let message = format!(
                    "{path}: Invalid value: {number}: {path} in body should be {words} than or equal to {bound}"
                );
                refuse(node, message, refusals);
            }
        }
        (Type::Integer(..), _) => wrong_type(node, path, "integer", refusals),
        (Type::Text(rules) | Type::IntegerOrText(rules), Value::Text(text)) => {
            check_text(node, text, rules, path, version, refusals);
        }
        (Type::Text(_), _) => wrong_type(node, path, TEXT, refusals),
        (Type::IntegerOrText(_), _) => wrong_type(node, path, "integer,string", refusals),
        (Type::Texts(rules), Value::Map(entries)) => {
            for entry in entries.iter().filter(|entry| entry.value.value != Value::Null) {
                check_value(&entry.value, &Type::Text(rules), &join(path, &entry.key), version, refusals);
            }
        }
        (Type::Texts(_), _) => wrong_type(node, path, "object", refusals),
        (Type::List { element, most: limit }, Value::List(elements)) => {
            let (count, limited) = (elements.len(), limit.versions.contain(version));
            for (index, node) in elements.iter().enumerate() {
                check_value(node, element, &format!("{path}[{index}]"), version, refusals);
            }
            if limited && count > limit.most {
                refuse(
                    node,
                    format!("{path}: Too many: {count}: must have at most {} items", limit.most),
                    refusals,
                );
            }
            if limited && count < limit.fewest {
                let message = format!(
                    "{path}: Invalid value: {count}: {path} in body should have at least {} items",
                    limit.fewest
                );
                refuse(node, message, refusals);
            }
        }
        (Type::List { .. }, _) => wrong_type(node, path, "array", refusals),
        (Type::Object(schema), _) => check_object(node, schema, path, version, refusals),
    }
}

fn check_text(
    node: &YamlNode,
    text: &str,
    rules: &[TextRule],
    path: &str,
    version: CiliumVersion,
    refusals: &mut Vec<Refusal>,
) {
    for rule in rules.iter().filter(|rule| rule.versions.contain(version)) {
        let mut kind = RefusalKind::InvalidValue;
        let message = match &rule.form {
            TextForm::OneOf(words) if !words.contains(&text) => {
                kind = RefusalKind::UnknownWord { meant: nearest(text, words.iter().copied()) };
                let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                format!("{path}: Unsupported value: {text:?}: supported values: {}", words.join(", "))
            }
            TextForm::Pattern(test, pattern) if !test(text) => {
                format!("{path}: Invalid value: {text:?}: {path} in body should match '{pattern}'")
            }
            TextForm::Format(test, name) if !test(text) => {
                format!("{path}: Invalid value: {text:?}: {path} in body must be of type {name}: {text:?}")
            }
            TextForm::NotEmpty if text.is_empty() => {
                format!("{path}: Invalid value: \"\": {path} in body should be at least 1 chars long")
            }
            TextForm::AtMost(most) if text.chars().count() > *most => {
                format!("{path}: Too long: may not be more than {most} bytes")
            }
            _ => continue,
        };
        refuse_as(kind, node, message, refusals);
    }
}
