//! A run as `JUnit` XML, for what shows test results: a suite for each scenario, a case for each cell.
//! <https://github.com/testmoapp/junitxml>
//!
//! A cell that differs is a failure and one without a verdict an error, each with its explanation. An object that
//! is refused, or that should be, is a case too. What a verdict rests on is the case's property `evidence`, and why it
//! was attempted again its property `again`. A case takes as long as its attempt, a suite as long as the steps of its
//! scenario.

use chrono::{DateTime, FixedOffset};
use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use verdikt_scenario::cell_name::StepName;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::CellResult;
use verdikt_verdict::event::{CellJudged, CellSkipped, Event, ObjectJudged, ScenarioFailed, ScenarioSkipped};

use verdikt_verdict::invariant::InvariantJudged;
use verdikt_verdict::timestamp::Timestamp;

use crate::difference::{self, CellSetting};
use crate::evidence;
use crate::object;
use crate::tree::{RunTree, ScenarioTree};
use crate::words;

mod diagnostics;

pub use self::diagnostics::diagnostics;

/// The XML document of a run.
pub fn junit(events: &[Event]) -> Result<String, SerializeError> {
    let run = RunTree::of(events);
    let version = run.started.map(|run| run.cilium).unwrap_or_default();
    let mut report = Report::new("verdikt");
    report.timestamp = run.started.and_then(|run| run.origin.started).map(moment);
    report.time = run.took;
    report.add_test_suites(run.scenarios.iter().map(|scenario| suite(scenario, version)));
    report.add_test_suites(run.skipped.iter().map(|skipped| skipped_suite(skipped)));
    report.add_test_suites(run.failed.iter().map(|failed| failed_suite(failed)));
    report.to_string()
}

fn suite(scenario: &ScenarioTree<'_>, version: CiliumVersion) -> TestSuite {
    let mut suite = TestSuite::new(scenario.started.scenario.as_str());
    let setting = CellSetting::of_document(&scenario.started.place.file, version);
    suite.timestamp = scenario.steps.first().and_then(|step| step.started.started).map(moment);
    suite.time = scenario.steps.iter().map(|step| step.took).sum();
    for step in &scenario.steps {
        suite.add_test_cases(step.objects.iter().filter_map(|judged| object_case(judged)));
        suite.add_test_cases(step.invariants.iter().map(|judged| invariant_case(judged)));
        suite.add_test_cases(step.cells.iter().map(|judged| cell_case(judged, setting)));
        suite.add_test_cases(step.skipped.iter().map(|cell| skipped_case(cell)));
    }
    suite
}

fn cell_case(judged: &CellJudged, setting: CellSetting<'_>) -> TestCase {
    let status = match judged.result {
        CellResult::AsExpected => TestCaseStatus::success(),
        CellResult::Differs | CellResult::DecidedByAnother | CellResult::Contradicted => {
            explained(NonSuccessKind::Failure, judged, setting)
        }
        CellResult::Inconclusive => explained(NonSuccessKind::Error, judged, setting),
    };
    let mut case = case(&judged.scenario, judged.name().to_string(), status);
    case.time = judged.took();
    if let Some(basis) = judged.basis {
        case.add_property(("evidence", basis.to_string().as_str()));
    }
    if let Some(again) = judged.evidence.as_deref().and_then(evidence::again) {
        case.add_property(("again", again.as_str()));
    }
    case
}

fn skipped_case(cell: &CellSkipped) -> TestCase {
    let mut status = TestCaseStatus::skipped();
    status.set_message(cell.because.as_str());
    case(&cell.scenario, cell.name().to_string(), status)
}

fn explained(kind: NonSuccessKind, judged: &CellJudged, setting: CellSetting<'_>) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(words::result(judged.result));
    status.set_message(format!("{}, expected {}", words::verdict_by(judged), judged.expected));
    status.set_description(difference::lines(judged, setting).join("\n"));
    status
}

fn object_case(judged: &ObjectJudged) -> Option<TestCase> {
    let sentence = object::sentence(judged)?;
    let mut status = TestCaseStatus::success();
    if !judged.as_expected {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type("object").set_message(sentence);
    }
    let step = StepName { scenario: &judged.scenario, step: &judged.step };
    Some(case(&judged.scenario, format!("{step}/{}", judged.object), status))
}

fn invariant_case(judged: &InvariantJudged) -> TestCase {
    let mut status = TestCaseStatus::success();
    if !judged.is_as_expected() {
        let kind = if judged.is_unknown() { NonSuccessKind::Error } else { NonSuccessKind::Failure };
        status = TestCaseStatus::non_success(kind);
        status.set_type("invariant").set_message(judged.to_string());
        if let Some(seen) = judged.evidence() {
            status.set_description(evidence::lines(seen).join("\n"));
        }
    }
    let step = StepName { scenario: &judged.scenario, step: &judged.step };
    let attempted = if judged.is_of_attempts() { " (attempted)" } else { "" };
    case(&judged.scenario, format!("{step}/{}{attempted}", judged.invariant), status)
}

fn failed_suite(failed: &ScenarioFailed) -> TestSuite {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type("failed").set_message(failed.reason.as_str());
    let mut suite = TestSuite::new(failed.scenario.as_str());
    suite.add_test_case(case(&failed.scenario, "the scenario".to_owned(), status));
    suite
}

fn skipped_suite(skipped: &ScenarioSkipped) -> TestSuite {
    let mut status = TestCaseStatus::skipped();
    status.set_message(skipped.because.as_str());
    let mut suite = TestSuite::new(skipped.scenario.as_str());
    suite.add_test_case(case(&skipped.scenario, "every step".to_owned(), status));
    suite
}

fn moment(timestamp: Timestamp) -> DateTime<FixedOffset> {
    timestamp.to_date_time().into()
}

fn case(scenario: &str, name: String, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(scenario);
    case
}

#[cfg(test)]
mod tests;
