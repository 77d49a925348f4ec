//! What is wrong with files, or to be warned of, in every format of reports.

use std::fmt::Write as _;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;
use verdikt_scenario::diagnostic::{Diagnostic, Severity};
use verdikt_scenario::plain::counted;

use crate::text::plain;
use crate::words;

/// The version of the JSON document's format.
pub const FORMAT: u32 = 1;

/// What was checked.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Checked {
    /// Scenarios.
    pub scenarios: usize,
    /// Policy objects.
    pub policies: usize,
}

#[derive(Serialize)]
struct DiagnosticsDocument<'a> {
    format: u32,
    verdikt: &'a str,
    #[serde(flatten)]
    checked: Checked,
    mistakes: usize,
    warnings: usize,
    hints: usize,
    diagnostics: &'a [Diagnostic],
}

fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

/// One JSON document, indented, with a line's end after the last line.
pub fn json(checked: Checked, diagnostics: &[Diagnostic]) -> Result<String, serde_json::Error> {
    let document = DiagnosticsDocument {
        format: FORMAT,
        verdikt: env!("CARGO_PKG_VERSION"),
        checked,
        mistakes: count(diagnostics, Severity::Error),
        warnings: count(diagnostics, Severity::Warning),
        hints: count(diagnostics, Severity::Hint),
        diagnostics,
    };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

/// Markdown: what was found as a list.
pub fn markdown(checked: Checked, diagnostics: &[Diagnostic]) -> String {
    let found = [
        counted(count(diagnostics, Severity::Error), "mistake"),
        counted(count(diagnostics, Severity::Warning), "warning"),
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
            let place = crate::markdown::code(&words::place(place));
            let code = code.as_ref().map_or_else(String::new, |code| format!(" ({})", plain(code)));
            let _ = writeln!(text, "- {place}: {}{code}", crate::markdown::inline(message));
            if let Some(help) = help {
                let _ = writeln!(text, "  {}", crate::markdown::inline(help));
            }
        }
    }
    text
}

/// `JUnit` XML: a suite for each file that something is wrong with; mistakes are failures, warnings too if they are denied.
/// A suite without any says that nothing was found.
pub fn junit(
    checked: Checked,
    diagnostics: &[Diagnostic],
    denied: bool,
) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("verdikt check");
    let mut suites: Vec<TestSuite> = Vec::new();
    for diagnostic in diagnostics {
        let file = plain(&diagnostic.place.file);
        if suites.last().is_none_or(|suite| suite.name.as_str() != file) {
            suites.push(TestSuite::new(file.as_str()));
        }
        let is_failure = match diagnostic.severity {
            Severity::Error => true,
            Severity::Warning => denied,
            Severity::Hint => false,
        };
        let message = plain(&diagnostic.message);
        let mut status = if is_failure {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        } else {
            TestCaseStatus::success()
        };
        if is_failure {
            status.set_message(message.as_str());
        }
        let kind = diagnostic.code.as_deref().unwrap_or("mistake");
        let name = format!("{}: {}", words::place(&diagnostic.place), plain(kind));
        let mut case = TestCase::new(name.as_str(), status);
        let help = diagnostic.help.as_ref().map_or_else(String::new, |help| format!("\n{}", plain(help)));
        case.set_system_out(format!("{message}{help}"));
        if let Some(suite) = suites.last_mut() {
            suite.add_test_case(case);
        }
    }
    if suites.is_empty() {
        let mut suite = TestSuite::new("nothing found");
        let name = format!(
            "{} and {}",
            counted(checked.scenarios, "scenario"),
            counted(checked.policies, "policy object")
        );
        suite.add_test_case(TestCase::new(name, TestCaseStatus::success()));
        suites.push(suite);
    }
    report.add_test_suites(suites);
    report.to_string()
}

#[cfg(test)]
mod tests;
