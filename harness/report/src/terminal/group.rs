//! Cells of a step that are not as expected for one and the same reason: explained once, and then named.

use std::sync::Arc;

use verdikt_scenario::plain::counted;
use verdikt_scenario::prediction::{Decision, RuleRef};
use verdikt_verdict::compare::CellResult;
use verdikt_verdict::event::CellJudged;

use crate::step_table::Numbered;
use crate::text::{plain, wrap};
use crate::words;

/// The most cells of one reason that are each explained.
const MOST: usize = 3;

/// The cells to explain, in order, each with those that the explanation holds for as well.
pub(super) fn groups(cells: &[Arc<CellJudged>]) -> Vec<(&CellJudged, Vec<&CellJudged>)> {
    let remarkable = || cells.iter().map(Arc::as_ref).filter(|cell| cell.result != CellResult::AsExpected);
    let mut reasons = Numbered::default();
    let mut alike: Vec<Vec<&CellJudged>> = Vec::new();
    let mut reasons_of_cells: Vec<usize> = Vec::new();
    for cell in remarkable() {
        let number = reasons.number(reason(cell));
        alike.resize_with(reasons.things.len(), Vec::new);
        alike[number].push(cell);
        reasons_of_cells.push(number);
    }
    let mut groups = Vec::new();
    for (cell, number) in remarkable().zip(reasons_of_cells) {
        match alike[number].as_slice() {
            [first, rest @ ..] if rest.len() >= MOST => {
                if std::ptr::eq(*first, cell) {
                    groups.push((cell, rest.to_vec()));
                }
            }
            _ => groups.push((cell, Vec::new())),
        }
    }
    groups
}

/// What an explanation says apart from the names of the ends: expectation, verdict, and the rules of every check.
fn reason(cell: &CellJudged) -> String {
    let checks = cell.prediction.checks.iter().map(|check| (check.point, kind(&check.decision)));
    format!(
        "{:?}",
        (
            words::result(cell.result),
            cell.expected.to_string(),
            words::verdict_by(cell),
            &cell.because,
            checks.collect::<Vec<_>>(),
        )
    )
}

/// A decision without what it says of one source alone.
fn kind(decision: &Decision) -> (&'static str, &[Arc<RuleRef>]) {
    match decision {
        Decision::NotIsolated => ("not isolated", &[]),
        Decision::LocalHost => ("local host", &[]),
        Decision::Itself { .. } => ("itself", &[]),
        Decision::OutsideCluster => ("outside the cluster", &[]),
        Decision::PassedOn { by } => ("passed on", by),
        Decision::Allowed { by } => ("allowed", by),
        Decision::Denied { by } => ("denied", by),
        Decision::Redirected { by, .. } => ("redirected", by),
        Decision::NotTrusted { by, .. } => ("not trusted", by),
        Decision::NoRuleAllows { isolated_by, .. } => ("no rule", isolated_by),
        Decision::Chance { .. } => ("chance", &[]),
        Decision::Unknown { rule, .. } => ("unknown", rule.as_slice()),
    }
}

/// The cells that an explanation holds for as well: each attempt with its sources.
pub(super) fn also(cells: &[&CellJudged], width: usize) -> Vec<String> {
    let mut attempts = Numbered::default();
    let mut sources: Vec<Vec<String>> = Vec::new();
    for cell in cells {
        let number = attempts.number(plain(&cell.attempt.to_string()));
        sources.resize_with(attempts.things.len(), Vec::new);
        sources[number].push(plain(&cell.source.to_string()));
    }
    let mut lines = vec![format!("and {} more for the same reason:", counted(cells.len(), "cell"))];
    for (attempt, sources) in attempts.things.iter().zip(sources) {
        let text = format!("{attempt} from {}", sources.join(", "));
        lines.extend(wrap(&text, width.saturating_sub(2)).into_iter().map(|line| format!("  {line}")));
    }
    lines
}
