//! A run as workflow commands of GitHub Actions: each shows as an annotation on a line of a change.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message>
//!
//! A cell that differs is shown at the line of the policy that decides it, and where no policy does, at the line of
//! the table that expects otherwise. GitHub shows only few annotations of a step: all cells of one line are one, and the
//! last one that is shown counts those that are not.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use verdikt_scenario::diagnostic::{Diagnostic, Severity};
use verdikt_scenario::place::Place;
use verdikt_verdict::compare::CellResult;
use verdikt_verdict::event::{CellJudged, Event};

use crate::line;
use crate::object;
use crate::text::plain;
use crate::tree::RunTree;
use crate::words;

/// How many cells one annotation names.
const CELLS_NAMED: usize = 10;
/// How many annotations of one level GitHub shows of a step, the first ones.
/// <https://github.com/orgs/community/discussions/26680>
const SHOWN: usize = 10;

/// How grave an annotation is, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum AnnotationLevel {
    Error,
    Warning,
    Notice,
}

/// Where annotations stand, and what they say.
type Annotations = BTreeMap<(AnnotationLevel, String, u32, &'static str), AnnotationMessages>;

/// What an annotation says: the first messages, and how many there are.
#[derive(Debug, Default)]
struct AnnotationMessages {
    first: Vec<String>,
    count: usize,
}

/// The commands of a run, one a line; errors first.
pub fn github(events: &[Event]) -> String {
    let run = RunTree::of(events);
    let mut annotations = Annotations::new();
    let mut add =
        |level: AnnotationLevel, place: &Place, title: &'static str, message: &dyn Fn() -> String| {
            annotate(&mut annotations, level, place, title, message);
        };
    for failed in &run.failed {
        add(AnnotationLevel::Error, &failed.place, "the scenario failed", &|| plain(&failed.reason));
    }
    for warning in &run.warnings {
        let title = "warning";
        add(AnnotationLevel::Warning, &warning.place, title, &|| plain(&warning.message));
    }
    for step in run.scenarios.iter().flat_map(|scenario| &scenario.steps) {
        for judged in step.objects.iter().filter(|judged| !judged.as_expected) {
            if let Some(sentence) = object::sentence(judged) {
                add(AnnotationLevel::Error, &judged.place, "policy object", &|| sentence.clone());
            }
        }
        for judged in step.invariants.iter().filter(|judged| !judged.is_as_expected()) {
            let level = if judged.is_unknown() { AnnotationLevel::Warning } else { AnnotationLevel::Error };
            add(level, judged.blamed(), "invariant", &|| plain(&judged.to_string()));
        }
        for cell in &step.cells {
            let (level, title) = match cell.result {
                CellResult::AsExpected => continue,
                CellResult::Inconclusive => (AnnotationLevel::Warning, "inconclusive"),
                CellResult::Differs | CellResult::DecidedByAnother | CellResult::Contradicted => {
                    (AnnotationLevel::Error, "not as expected")
                }
            };
            add(level, line::place(cell), title, &|| message(cell));
        }
    }
    commands(&annotations)
}

/// The commands for what is wrong with files, and to be warned of.
pub fn diagnostics(diagnostics: &[Diagnostic]) -> String {
    let mut annotations = Annotations::new();
    for Diagnostic { place, severity, message, help, .. } in diagnostics {
        let (level, title) = match severity {
            Severity::Error => (AnnotationLevel::Error, "mistake"),
            Severity::Warning => (AnnotationLevel::Warning, "warning"),
            Severity::Hint => (AnnotationLevel::Notice, "hint"),
        };
        let help = help.as_ref().map_or_else(String::new, |help| format!("; {}", plain(help)));
        annotate(&mut annotations, level, place, title, &|| plain(message) + &help);
    }
    commands(&annotations)
}

fn annotate(
    annotations: &mut Annotations,
    level: AnnotationLevel,
    place: &Place,
    title: &'static str,
    message: &dyn Fn() -> String,
) {
    let messages = annotations.entry((level, place.normal_file(), place.line, title)).or_default();
    messages.count += 1;
    if messages.first.len() < CELLS_NAMED {
        messages.first.push(message());
    }
}

fn commands(annotations: &Annotations) -> String {
    let mut text = String::new();
    for level in [AnnotationLevel::Error, AnnotationLevel::Warning, AnnotationLevel::Notice] {
        let of_level = || annotations.iter().filter(|((other, ..), _)| *other == level);
        let count = of_level().count();
        let shown = if count > SHOWN { SHOWN - 1 } else { count };
        for ((_, file, line, title), messages) in of_level().take(shown) {
            let line = if *line == 0 { String::new() } else { format!(",line={line}") };
            let (file, message) = (property(file), data(&messages.joined()));
            let _ = writeln!(text, "::{level} file={file}{line},title=verdikt%3A {title}::{message}");
        }
        if shown < count {
            let messages: usize = of_level().skip(shown).map(|(_, messages)| messages.count).sum();
            let _ = writeln!(
                text,
                "::{level} title=verdikt%3A more::{messages} more at {} other lines, which GitHub does not show: the \
                 other reports have all",
                count - shown
            );
        }
    }
    text
}

fn message(cell: &CellJudged) -> String {
    let expected = format!("expected {} at {}", plain(&cell.expected.to_string()), words::place(&cell.place));
    format!("{}: {}, {expected}", cell.name(), words::verdict_by(cell))
}

impl AnnotationMessages {
    fn joined(&self) -> String {
        let mut lines = self.first.join("\n");
        if self.count > self.first.len() {
            let _ = write!(lines, "\nand {} more", self.count - self.first.len());
        }
        lines
    }
}

impl fmt::Display for AnnotationLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        })
    }
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
