//! What `check` found as Markdown.

use std::fmt::Write as _;

use verdikt_scenario::diagnostic::{Diagnostic, Severity};
use verdikt_scenario::plain::counted;

use super::{code as as_code, inline};
use crate::diagnostics::CheckReport;
use crate::text::plain;
use crate::words;

/// The document of what `check` found: a list.
pub fn diagnostics(report: &CheckReport<'_>) -> String {
    let CheckReport { checked, diagnostics, .. } = report;
    let found = [
        counted(report.count(Severity::Error), "mistake"),
        counted(report.count(Severity::Warning), "warning"),
    ];
    let mut text = format!("## verdikt: {}\n\n", found.join(", "));
    let _ = writeln!(
        text,
        "{} and {} checked.",
        counted(checked.scenarios, "scenario"),
        counted(checked.policies, "policy object")
    );
    for (severity, title) in
        [(Severity::Error, "Mistakes"), (Severity::Warning, "Warnings"), (Severity::Hint, "Hints")]
    {
        let found: Vec<&Diagnostic> =
            diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).collect();
        if !found.is_empty() {
            let _ = writeln!(text, "\n### {title}\n");
        }
        for Diagnostic { place, code, message, help, .. } in found {
            let place = as_code(&words::place(place));
            let code = code.as_ref().map_or_else(String::new, |code| format!(" ({})", plain(code)));
            let _ = writeln!(text, "- {place}: {}{code}", inline(message));
            if let Some(help) = help {
                let _ = writeln!(text, "  {}", inline(help));
            }
        }
    }
    text
}
