//! An HTTP method in lower case: methods are compared as clients send them, in capitals.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::YamlNode;

use super::{LintContext, values_under};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for manifest in context.manifests {
        let mut lists = Vec::new();
        values_under(&manifest.root, "http", &mut lists);
        for node in lists.into_iter().flat_map(YamlNode::elements).filter_map(|rule| rule.get("method")) {
            let Some(method) = node.text() else { continue };
            // Anything else is a regular expression whose author knows what it means.
            let plain = method.bytes().all(|c| c.is_ascii_alphabetic() || c == b'|');
            if !plain || !method.bytes().any(|c| c.is_ascii_lowercase()) {
                continue;
            }
            let message =
                format!("the method `{method}` matches no request: clients send methods in capitals");
            let warning = Diagnostic::warning(manifest.place(node.position), "http-method", message);
            warnings.push(warning.help(format!("write `{}`", method.to_ascii_uppercase())));
        }
    }
    warnings
}
