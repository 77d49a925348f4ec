//! The words that all reports share: verdicts, expectations, rules, places, and the names of cells.

use verdikt_scenario::cell_name::StepName;
use verdikt_scenario::place::Place;
use verdikt_scenario::prediction::RuleRef;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::{CellResult, Verdict, contradicts, deciders};
use verdikt_verdict::event::{CellJudged, StepStarted};
use verdikt_verdict::evidence::Basis;

use crate::text::{plain, shell_quote};

/// A verdict with its direction: `deny ingress`, `audit egress`.
pub(crate) fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Audited(point) => format!("audit {point}"),
        other => other.to_string(),
    }
}

/// The verdict of a cell, with the backend of a service that it is about where it is one of several, and the policies
/// that decided where the author names one.
pub(crate) fn verdict_by(cell: &CellJudged) -> String {
    let via =
        cell.via.as_ref().map_or_else(String::new, |backend| format!(" via {}", plain(&backend.to_string())));
    let words = verdict(&cell.verdict) + &via;
    // The policies are those of the prediction, and tell nothing of another verdict.
    if contradicts(cell.prediction.answer, &cell.verdict) {
        return words;
    }
    match (&cell.verdict, &cell.expected.by) {
        (Verdict::Inconclusive(why), _) => format!("{words}: {}", plain(why)),
        (_, None) => words,
        (_, Some(_)) => match deciders(&cell.prediction).as_slice() {
            [] => format!("{words} by no policy"),
            names => format!("{words} by {}", plain(&names.join(", "))),
        },
    }
}

/// What a verdict rests on, as text: `outcome, flow and arrival`.
pub(crate) fn basis(basis: Basis) -> String {
    let words = basis.to_string();
    match words.rsplit_once('+') {
        Some((first, last)) => format!("{} and {last}", first.replace('+', ", ")),
        None => words,
    }
}

/// How an expectation compares, in one word.
pub(crate) fn result(result: CellResult) -> &'static str {
    match result {
        CellResult::AsExpected => "as expected",
        CellResult::Differs => "differs",
        CellResult::DecidedByAnother => "another policy decides",
        CellResult::Contradicted => "the engine predicts otherwise",
        CellResult::Inconclusive => "inconclusive",
    }
}

/// What a table adds to a cell that is not as expected.
pub(crate) fn instead(cell: &CellJudged) -> Option<String> {
    match (cell.result, &cell.expected.by) {
        (CellResult::AsExpected, _) => None,
        (CellResult::Differs, _) if contradicts(cell.prediction.answer, &cell.verdict) => {
            let expected = plain(&cell.expected.to_string());
            Some(format!("(expected {expected}, predicted {})", cell.prediction.answer))
        }
        (CellResult::Contradicted, _) => Some(format!("(predicted {})", cell.prediction.answer)),
        (CellResult::DecidedByAnother, Some(by)) => Some(format!("(expected by {})", plain(&by.0))),
        _ => Some(format!("(expected {})", plain(&cell.expected.to_string()))),
    }
}

/// `file:line`, or the file alone for what was never written in lines.
pub(crate) fn place(place: &Place) -> String {
    let file = plain(&place.file);
    if place.line == 0 { file } else { format!("{file}:{}", place.line) }
}

/// A rule: its object, and the path inside it.
pub(crate) fn rule(rule: &RuleRef) -> String {
    plain(&rule.to_string())
}

/// The name of a step: how the names of its cells begin.
pub(crate) fn step_name(started: &StepStarted) -> String {
    let StepStarted { scenario, step, .. } = started;
    StepName { scenario, step }.to_string()
}

/// The command that evaluates one cell again.
pub(crate) fn again(run: &str, file: &str, version: CiliumVersion, cell: &CellJudged) -> String {
    let version =
        if version == CiliumVersion::default() { String::new() } else { format!(" --cilium {version}") };
    let file = plain(&shell_quote(file));
    format!("{run} {file}{version} --filter {}", shell_quote(&cell.name().to_string()))
}
