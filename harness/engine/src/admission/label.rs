//! Labels, and selectors of labels, as Kubernetes checks them in its own kinds.
//!
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>

use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::version::CiliumVersion;

use super::check::refuse;
use super::schema::{ObjectSchema, Type, list, object, optional};
use super::text;
use crate::refusal::Refusal;

const TEXT: Type = Type::Text(&[]);

/// A label selector of Kubernetes.
pub(super) const SELECTOR: Type = Type::Object(&ObjectSchema {
    fields: &[
        optional(
            "matchExpressions",
            list(&Type::Object(&object(&[
                optional("key", TEXT),
                optional("operator", TEXT),
                optional("values", list(&TEXT)),
            ]))),
        ),
        optional("matchLabels", Type::Texts(&[])),
    ],
    groups: &[],
    extra: Some(check_selector),
});

fn check_selector(node: &YamlNode, path: &str, _version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    if let Some(labels) = node.get("matchLabels") {
        check_labels(labels, &format!("{path}.matchLabels"), refusals);
    }
    let expressions = node.get("matchExpressions").map_or(&[][..], YamlNode::elements);
    for (index, expression) in expressions.iter().enumerate() {
        // A value that is not a mapping has been refused already.
        if matches!(expression.value, Value::Map(_)) {
            check_expression(expression, &format!("{path}.matchExpressions[{index}]"), refusals);
        }
    }
}

/// Checks the keys and values of a mapping of labels. A null value is an empty text.
pub(super) fn check_labels(labels: &YamlNode, path: &str, refusals: &mut Vec<Refusal>) {
    for entry in labels.entries() {
        check_key(&entry.value, &entry.key, path, refusals);
        check_value(&entry.value, path, refusals);
    }
}

fn check_expression(node: &YamlNode, path: &str, refusals: &mut Vec<Refusal>) {
    let values = node.get("values").map_or(&[][..], YamlNode::elements);
    let operator = node.get("operator");
    let word = operator.map_or(Some(""), YamlNode::text);
    match word {
        Some("In" | "NotIn") if values.is_empty() => {
            let message = "Required value: must be specified when `operator` is 'In' or 'NotIn'";
            refuse(node, format!("{path}.values: {message}"), refusals);
        }
        Some("Exists" | "DoesNotExist") if !values.is_empty() => {
            let message = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            refuse(node, format!("{path}.values: {message}"), refusals);
        }
        Some("In" | "NotIn" | "Exists" | "DoesNotExist") | None => {}
        Some(word) => {
            let message = format!("{path}.operator: Invalid value: {word:?}: not a valid selector operator");
            refuse(operator.unwrap_or(node), message, refusals);
        }
    }
    let key = node.get("key");
    if let Some(text) = key.map_or(Some(""), YamlNode::text) {
        check_key(key.unwrap_or(node), text, &format!("{path}.key"), refusals);
    }
    for (index, value) in values.iter().enumerate() {
        check_value(value, &format!("{path}.values[{index}]"), refusals);
    }
}

fn check_key(node: &YamlNode, key: &str, path: &str, refusals: &mut Vec<Refusal>) {
    if let Some(fault) = fault_of_key(key) {
        refuse(node, format!("{path}: Invalid value: {key:?}: {fault}"), refusals);
    }
}

fn fault_of_key(key: &str) -> Option<&'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if name.contains('/') {
        return Some("a qualified name has at most one prefix, before its only '/'");
    }
    match prefix {
        Some("") => Some("prefix part must be non-empty"),
        Some(prefix) if prefix.len() > 253 || !text::is_lower_case_name(prefix) => {
            Some("prefix part must be a lowercase RFC 1123 subdomain")
        }
        _ if name.is_empty() => Some("name part must be non-empty"),
        _ if name.len() > LONGEST => Some("name part must be no more than 63 bytes"),
        _ if !text::is_label_value(name) => Some(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        ),
        _ => None,
    }
}

/// The most characters of a label's name and of its value.
const LONGEST: usize = 63;

fn check_value(node: &YamlNode, path: &str, refusals: &mut Vec<Refusal>) {
    let Some(value) = node.text() else { return };
    let fault = if value.len() > LONGEST {
        "must be no more than 63 bytes"
    } else if text::is_label_value(value) {
        return;
    } else {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    };
    refuse(node, format!("{path}: Invalid value: {value:?}: {fault}"), refusals);
}
