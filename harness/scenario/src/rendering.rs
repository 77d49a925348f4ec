//! Files that are not rendered yet: templates, variables, and what kustomize adds.
//!
//! verdikt runs no renderer: the files may be a stranger's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::document::{Value, YamlNode};

/// Why some files are not checked in the form in which they will be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unrendered {
    /// They are templates, not YAML.
    Template,
    /// They have variables such as `${NAME}`.
    Variables,
    /// kustomize adds to them.
    Kustomization,
    /// They cannot be read, and name no policy.
    Unreadable,
}

/// The charts, files and folders that are not rendered.
pub type AllUnrendered = BTreeMap<Unrendered, BTreeSet<String>>;

impl Unrendered {
    /// The name of a file in a remark: its chart, if it is a template of one.
    pub fn name_of(self, file: &str) -> String {
        if self == Self::Template { chart_of(file) } else { file.to_owned() }
    }

    /// A remark on charts, files or folders that are not rendered, with the command whose output to pipe to verdikt
    /// for the first of them.
    pub fn remark(self, names: &BTreeSet<String>, command: &str) -> String {
        let (reason, renderer) = (self.reason(names), self.renderer(names));
        let state = match self {
            Self::Unreadable => return format!("skipped, because {reason}"),
            Self::Template | Self::Variables => "not checked",
            Self::Kustomization => "checked as they are",
        };
        match renderer {
            Some(renderer) => {
                format!(
                    "{state}, because {reason}; check what they become: `{renderer} | verdikt {command} -`"
                )
            }
            None => format!(
                "{state}, because {reason}; render them, and pipe the result to `verdikt {command} -`"
            ),
        }
    }

    /// Why charts, files or folders differ from what will be applied: completes "because ...".
    pub fn reason(self, names: &BTreeSet<String>) -> String {
        let first = names.first().map_or("", String::as_str);
        let more = match names.len() {
            0 | 1 => String::new(),
            more => format!(" and {} more", more - 1),
        };
        let what = match self {
            Self::Template => "these are templates",
            Self::Variables => "these have variables that are not replaced",
            Self::Kustomization => "kustomize adds to these, for example namespaces and patches",
            Self::Unreadable => "kubectl cannot read these either, and they name no policy",
        };
        format!("{what}: `{first}`{more}")
    }

    /// The command that renders the first of some charts, files or folders.
    pub fn renderer(self, names: &BTreeSet<String>) -> Option<String> {
        let first = names.first()?;
        let is_chart =
            !Path::new(first).extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        match self {
            Self::Template => is_chart.then(|| format!("helm template {first}")),
            Self::Variables => Some(format!("flux envsubst < {first}")),
            Self::Kustomization => Some(format!("kustomize build {first}")),
            Self::Unreadable => None,
        }
    }
}

/// Whether a text that is not YAML is a template.
pub(crate) fn is_template(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start();
        line.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}"))
            || ["{{", "- {{"].iter().any(|begin| line.starts_with(begin))
            || line.contains(": {{")
    })
}

/// Whether a text mentions policies, so that a mistake in it matters.
pub(crate) fn names_policies(text: &str) -> bool {
    ["NetworkPolicy", "CiliumCIDRGroup", "cilium.io/", "networking.k8s.io"]
        .iter()
        .any(|word| text.contains(word))
}

/// The chart of a template, or its own name if it has none.
pub(crate) fn chart_of(file: &str) -> String {
    let mut above = Path::new(file).ancestors().skip(1);
    let templates = above.find(|above| above.file_name().is_some_and(|name| name == "templates"));
    match templates.and_then(Path::parent) {
        None => file.to_owned(),
        Some(chart) if chart.as_os_str().is_empty() => ".".to_owned(),
        Some(chart) => chart.to_string_lossy().into_owned(),
    }
}

/// What is not rendered in a policy: in its names and its specification, not in its annotations.
pub(crate) fn unrendered(policy: &YamlNode) -> Option<Unrendered> {
    let parts = [&["metadata", "name"][..], &["metadata", "namespace"], &["spec"], &["specs"]];
    parts.iter().filter_map(|path| policy.at(path)).find_map(in_value)
}

fn in_value(node: &YamlNode) -> Option<Unrendered> {
    match &node.value {
        Value::Text(text) => unrendered_text(text),
        Value::List(elements) => elements.iter().find_map(in_value),
        Value::Map(entries) => {
            entries.iter().find_map(|entry| unrendered_text(&entry.key).or_else(|| in_value(&entry.value)))
        }
        _ => None,
    }
}

/// What is not rendered in a text: `{{ name }}` of a template, `${NAME}` of a variable, or a placeholder: `$(NAME)`,
/// `<NAME>`, `__NAME__`, `NODE_IP/32`.
pub fn unrendered_text(text: &str) -> Option<Unrendered> {
    if text.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}")) {
        return Some(Unrendered::Template);
    }
    let mut variables = text.split("${").skip(1);
    let is_variable =
        |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && rest.contains('}');
    let is_placeholder = || {
        let around = [("$(", ")"), ("<", ">"), ("__", "__")];
        let inside = around.iter().find_map(|(begin, end)| text.strip_prefix(begin)?.strip_suffix(end));
        let prefix = text.rsplit_once('/').filter(|(_, length)| length.parse::<u8>().is_ok());
        inside.is_some_and(is_word) || prefix.is_some_and(|(address, _)| is_capital_word(address))
    };
    (variables.any(is_variable) || is_placeholder()).then_some(Unrendered::Variables)
}

/// Whether a text is one word, as the names of variables are.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-. ".contains(&c))
}

/// Whether it is a word in capitals, as in placeholders for addresses.
fn is_capital_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.contains('_')
        && text.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::of_a_shell("${NAME}")]
    #[case::with_a_default("a-${NAME:=b}")]
    #[case::of_make("$(NAME)")]
    #[case::for_a_reader("<your-cidr>")]
    #[case::underlined("__NAME__")]
    #[case::in_an_address("NODE_IP/32")]
    fn what_stands_for_a_value(#[case] text: &str) {
        assert_eq!(unrendered_text(text), Some(Unrendered::Variables));
    }

    #[rstest]
    #[case::an_address("10.0.0.0/8")]
    #[case::an_address_of_six("fd00::/8")]
    #[case::capitals("A_B")]
    #[case::brackets_in_a_path("/a/<b>")]
    #[case::a_named_group("(?P<x>a)")]
    #[case::an_anchored_group("^(a)$")]
    #[case::two_underscores("__")]
    #[case::capitals_in_a_path("ENV_A/x")]
    fn what_is_a_value(#[case] text: &str) {
        assert_ne!(unrendered_text(text), Some(Unrendered::Variables));
    }
}
