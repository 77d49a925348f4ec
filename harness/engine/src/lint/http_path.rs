//! HTTP paths written as globs, or without their slash: a path is a regular expression for the whole path.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#http>

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::YamlNode;

use super::{LintContext, values_under};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for manifest in context.manifests {
        let mut lists = Vec::new();
        values_under(&manifest.root, "http", &mut lists);
        for node in lists.into_iter().flat_map(YamlNode::elements).filter_map(|rule| rule.get("path")) {
            let Some((message, help)) = node.text().and_then(problem) else { continue };
            warnings
                .push(Diagnostic::warning(manifest.place(node.position), "http-path", message).help(help));
        }
    }
    warnings
}

/// What is wrong with a path, and what to write.
fn problem(path: &str) -> Option<(String, String)> {
    if path.contains("/*") {
        let message = format!("`{path}` is a regular expression, in which `/*` is any number of slashes");
        return Some((message, format!("write `{}`", path.replace("/*", "/.*"))));
    }
    // A class, a group or an anchor may precede the slash, or replace it.
    let begins = path.starts_with(|c: char| c.is_ascii_alphanumeric() || "-_~%".contains(c));
    (begins && !path.contains('|')).then(|| {
        let message = format!("the path `{path}` matches no request: paths begin with a slash");
        (message, format!("write `/{path}`"))
    })
}
