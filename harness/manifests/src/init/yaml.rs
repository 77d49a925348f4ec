//! Writes objects as YAML: for manifests that were read from a pipe and are included in the scenario.

use std::fmt::Write as _;

use verdikt_scenario::document::{Value, YamlNode};

/// Appends a value in block style, after `key:` or `-`.
pub(super) fn append(out: &mut String, node: &YamlNode, indent: usize) {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            for (index, entry) in entries.iter().enumerate() {
                if index > 0 || !out.ends_with("- ") {
                    line(out, indent);
                }
                out.push_str(&scalar(&entry.key));
                out.push(':');
                append_value(out, &entry.value, indent);
            }
        }
        Value::List(elements) if !elements.is_empty() => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 || !out.ends_with("- ") {
                    line(out, indent);
                }
                out.push_str("- ");
                match &element.value {
                    Value::Map(entries) if !entries.is_empty() => append(out, element, indent + 2),
                    Value::List(elements) if !elements.is_empty() => append(out, element, indent + 2),
                    _ => out.push_str(&flat(element)),
                }
            }
        }
        _ => out.push_str(&flat(node)),
    }
}

fn append_value(out: &mut String, node: &YamlNode, indent: usize) {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => append(out, node, indent + 2),
        Value::List(elements) if !elements.is_empty() => append(out, node, indent),
        _ => {
            out.push(' ');
            out.push_str(&flat(node));
        }
    }
}

fn line(out: &mut String, indent: usize) {
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out.extend(std::iter::repeat_n(' ', indent));
}

fn flat(node: &YamlNode) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => scalar(text),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// A text as a scalar: plain if every reader takes it for text, otherwise quoted as in JSON.
pub(super) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || "/._".contains(c))
        && text.chars().all(plain)
        && text.chars().any(|c| c.is_ascii_alphabetic())
        && !["true", "false", "yes", "no", "on", "off", "null", "y", "n", "inf", "nan", ".inf", ".nan"]
            .contains(&text.to_lowercase().as_str());
    if is_plain { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                // Writing to a string never fails.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use verdikt_scenario::document::{Entry, parse};

    use verdikt_scenario::place::Position;

    use super::*;

    /// A tree without its positions.
    fn bare(node: &YamlNode) -> Value {
        match &node.value {
            Value::List(elements) => {
                Value::List(elements.iter().map(|node| in_no_place(bare(node))).collect())
            }
            Value::Map(entries) => {
                let entry = |entry: &Entry| {
                    let (key, position) = (entry.key.clone(), Position::default());
                    Entry { key, position, value: in_no_place(bare(&entry.value)) }
                };
                Value::Map(entries.iter().map(entry).collect())
            }
            value => value.clone(),
        }
    }

    fn in_no_place(value: Value) -> YamlNode {
        YamlNode { value, position: Position::default() }
    }

    #[test]
    fn what_is_written_is_read_alike() {
        let text = r#"
a: {b: [1, "2", true, "true", null, 1.5, [], {}, [[x], {y: z}]], "k: v": "line\nbreak", empty: ""}
c: [{d: 1, e: [2]}, {f: {g: h}}, "- x", "*", "a b", "-1", "0x1", ".5", "~", "@", "\u0085", "é"]
list: [[1, 2], [3]]
"#;
        let tree = parse(text).unwrap().remove(0);
        let mut written = String::new();
        append(&mut written, &tree, 0);
        let again = parse(&written).unwrap().remove(0);
        assert_eq!(bare(&again), bare(&tree), "{written}");
    }
}
