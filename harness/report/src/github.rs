//! A run as workflow commands of GitHub Actions: each shows as an annotation on a line of a change.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message>
//!
//! A cell that differs is shown at the line of the policy that decides it, and where no policy does, at the line of
//! the table that expects otherwise. GitHub shows only few annotations of a step: all cells of one line are one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use verdikt_scenario::expect::ExpectedVerdict;
use verdikt_scenario::place::Place;
use verdikt_scenario::prediction::{Finding, Gate, Prediction, RuleRef};
use verdikt_verdict::compare::{CellResult, Verdict};
use verdikt_verdict::event::{CellJudged, Event};

use crate::object;
use crate::text::plain;
use crate::tree::Run;
use crate::words;

/// How many cells one annotation names.
const CELLS_NAMED: usize = 10;

/// How grave an annotation is, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Error,
    Warning,
}

/// Where annotations stand, and what they say.
type Annotations = BTreeMap<(Level, String, u32, &'static str), Vec<String>>;

/// The commands of a run, one a line; errors first.
pub fn github(events: &[Event]) -> String {
    let run = Run::of(events);
    let mut annotations = Annotations::new();
    let mut add = |level: Level, place: &Place, title: &'static str, message: String| {
        annotations.entry((level, normal(&place.file), place.line, title)).or_default().push(message);
    };
    for failed in &run.failed {
        add(Level::Error, &failed.place, "the scenario failed", plain(&failed.reason));
    }
    for step in run.scenarios.iter().flat_map(|scenario| &scenario.steps) {
        for judged in step.objects.iter().filter(|judged| !judged.as_expected) {
            if let Some(sentence) = object::sentence(judged) {
                add(Level::Error, &judged.place, "policy object", sentence);
            }
        }
        for cell in &step.cells {
            let (level, title) = match cell.result {
                CellResult::AsExpected => continue,
                CellResult::Inconclusive => (Level::Warning, "inconclusive"),
                CellResult::Differs | CellResult::DecidedByAnother | CellResult::Contradicted => {
                    (Level::Error, "not as expected")
                }
            };
            add(level, place(cell), title, message(cell));
        }
    }
    let mut text = String::new();
    for ((level, file, line, title), messages) in &annotations {
        let level = match level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        let line = if *line == 0 { String::new() } else { format!(",line={line}") };
        let (file, message) = (property(file), data(&joined(messages)));
        let _ = writeln!(text, "::{level} file={file}{line},title=verdikt%3A {title}::{message}");
    }
    text
}

/// The line that is to blame: the rule that ends the attempt or lets it pass, or the table's.
fn place(cell: &CellJudged) -> &Place {
    // What passes although it should be denied at one gate is no matter of the rules at another.
    let gate = match (cell.expected.verdict, &cell.verdict) {
        (ExpectedVerdict::DenyAt(gate), Verdict::Allowed) => Some(gate),
        _ => None,
    };
    deciding(&cell.prediction, gate).map_or(&cell.place, |rule| &rule.place)
}

fn deciding(prediction: &Prediction, gate: Option<Gate>) -> Option<&RuleRef> {
    let checks = prediction.checks.iter().filter(|check| gate.is_none_or(|gate| check.gate == gate));
    checks.rev().find_map(|check| match &check.finding {
        Finding::Denied { by } | Finding::Allowed { by } => by.first(),
        Finding::NoRuleAllows { isolated_by, nearest } => {
            nearest.as_ref().map(|nearest| &nearest.rule).or(isolated_by.first())
        }
        Finding::Unknown { rule, .. } => rule.as_ref(),
        Finding::NotIsolated | Finding::LocalHost | Finding::Itself | Finding::OutsideCluster => None,
    })
}

fn message(cell: &CellJudged) -> String {
    let expected = format!("expected {} at {}", plain(&cell.expected.to_string()), words::place(&cell.place));
    format!("{}: {}, {expected}", plain(&words::cell_name(cell)), words::verdict_by(cell))
}

fn joined(messages: &[String]) -> String {
    let mut lines = messages[..messages.len().min(CELLS_NAMED)].join("\n");
    if messages.len() > CELLS_NAMED {
        let _ = write!(lines, "\nand {} more", messages.len() - CELLS_NAMED);
    }
    lines
}

/// A path as it stands in the repository: without `.` and, where possible, `..`.
fn normal(file: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in file.split('/') {
        match (part, parts.last()) {
            (".", _) => {}
            ("..", Some(last)) if *last != ".." && !last.is_empty() => {
                parts.pop();
            }
            (part, _) => parts.push(part),
        }
    }
    parts.join("/")
}

/// A message as a workflow command takes it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property as a workflow command takes it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests;
