//! `cargo xtask docs`: the pages of the book that come from the code.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use crate::build::root;

/// What is done with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// It is written.
    Write,
    /// It has to be as it would be written.
    Check,
}

/// Writes or checks the generated pages.
pub(crate) fn docs(pages: Pages) -> Result<()> {
    let read =
        |path: &str| fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"));
    let schema: Value =
        serde_json::from_str(&read("scenarios/schema.json")?).context("scenarios/schema.json")?;
    let generated = [
        ("docs/src/scenario-reference.md", reference(&schema)),
        ("docs/src/versions.md", versions(&read("harness/engine/src/behaviour.rs")?)),
    ];
    for (path, text) in generated {
        match pages {
            Pages::Write => {
                fs::write(root().join(path), text).with_context(|| format!("cannot write {path}"))?;
            }
            Pages::Check if read(path).is_ok_and(|old| old == text) => {}
            Pages::Check => bail!("{path} is not current: run `cargo xtask docs`"),
        }
    }
    Ok(())
}

/// Every object of a scenario file with its fields.
fn reference(schema: &Value) -> String {
    let mut text = "# Scenario reference\n\nEvery field of a scenario file, as `verdikt schema` tells editors. [Scenarios](scenarios.md) \
                    explains what they are for.\n"
        .to_owned();
    let definitions = &schema["$defs"];
    object(&mut text, "Scenario", &definitions["Scenario"]);
    let others = definitions.as_object().into_iter().flatten();
    for (name, definition) in others.filter(|(name, _)| !["Scenario", "Manifest"].contains(&name.as_str())) {
        object(&mut text, name, definition);
    }
    text
}

fn object(text: &mut String, name: &str, definition: &Value) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n## {name}\n\n{}", description(definition));
    let values = definition["oneOf"].as_array().into_iter().flatten();
    let values: Vec<String> = values
        .filter_map(|value| Some(format!("- `{}`: {}", value["const"].as_str()?, description(value))))
        .collect();
    if !values.is_empty() {
        let _ = writeln!(text, "\n{}", values.join("\n"));
    }
    let none = Map::new();
    let fields = definition["properties"].as_object().unwrap_or(&none);
    if fields.is_empty() {
        return;
    }
    let required: Vec<&str> =
        definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    text.push_str("\n| field | holds | |\n|---|---|---|\n");
    for (field, holds) in fields {
        let must = if required.contains(&field.as_str()) { " (required)" } else { "" };
        let description = description(holds).replace('|', "\\|");
        let _ = writeln!(text, "| `{field}`{must} | {} | {description} |", kind(holds));
    }
}

/// The description in one line.
fn description(of: &Value) -> String {
    of["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a field holds, as text.
fn kind(field: &Value) -> String {
    if let Some(name) = field["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(one) = field["anyOf"].as_array().or(field["oneOf"].as_array()) {
        let kinds = one.iter().filter(|kind| kind["type"] != "null").map(kind);
        return kinds.collect::<Vec<_>>().join(" or ");
    }
    let types: Vec<&str> = match &field["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => {
            several.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect()
        }
        _ => return "anything".to_owned(),
    };
    let words = types.iter().map(|kind_of_it| match *kind_of_it {
        "array" => format!("list of {}", kind(&field["items"])),
        "object" if field["patternProperties"].is_object() => "table of attempts".to_owned(),
        "object" if field["additionalProperties"].is_object() => {
            format!("map to {}", kind(&field["additionalProperties"]))
        }
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" | "number" => "number".to_owned(),
        other => other.to_owned(),
    });
    words.collect::<Vec<_>>().join(" or ")
}

/// The table of what differs between Cilium's minors, from the switches of the policy model.
fn versions(behaviour: &str) -> String {
    let mut text = "# How versions differ\n\nThe differences between Cilium's minors that the policy model knows. In a scenario \
                    `cilium:` says for which\nversions it holds, and `differs:` which verdicts are different for some.\n\n\
                    | versions | what they do |\n|---|---|\n"
        .to_owned();
    let switches = behaviour.split_once("\nswitches! {\n").and_then(|(_, rest)| rest.split_once("\n}\n"));
    let mut words = String::new();
    for line in switches.map_or("", |(switches, _)| switches).lines().map(str::trim) {
        match (line.strip_prefix("///"), line.split_once(": ")) {
            (Some(documented), _) => {
                format!("{words} {}", documented.trim()).trim().clone_into(&mut words);
            }
            (None, Some((_, versions))) => {
                let versions = versions.trim_end_matches(',').replace("V1_", "1.");
                let versions = versions.replace(").before(", ", before ").replace('(', " ").replace(')', "");
                let _ = writeln!(text, "| {versions} | {words} |");
                words.clear();
            }
            (None, None) => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_pages_are_current() {
        docs(Pages::Check).unwrap();
    }

    #[test]
    fn switches_become_rows() {
        let behaviour =
            "\nswitches! {\n    /// Names are\n    /// refused.\n    names: since(V1_17).before(V1_19),\n}\n";
        assert!(versions(behaviour).ends_with("| since 1.17, before 1.19 | Names are refused. |\n"));
    }
}
