//! What `check` found as `JUnit` XML.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use verdikt_scenario::diagnostic::Severity;
use verdikt_scenario::plain::counted;

use crate::diagnostics::CheckReport;
use crate::text::plain;
use crate::words;

/// The XML document of what `check` found: a suite for each file that something is wrong with; mistakes are failures, warnings too if they are denied.
/// A suite without any says that nothing was found.
pub fn diagnostics(found: &CheckReport<'_>) -> Result<String, SerializeError> {
    let CheckReport { checked, diagnostics, warnings_denied } = *found;
    let mut report = Report::new("verdikt check");
    let mut suites: Vec<TestSuite> = Vec::new();
    for diagnostic in diagnostics {
        let file = plain(&diagnostic.place.file);
        if suites.last().is_none_or(|suite| suite.name.as_str() != file) {
            suites.push(TestSuite::new(file.as_str()));
        }
        let is_failure = match diagnostic.severity {
            Severity::Error => true,
            Severity::Warning => warnings_denied,
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
