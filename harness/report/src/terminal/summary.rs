//! The end of a run: what was not as expected, and the totals.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::plain::counted;
use verdikt_verdict::event::{RunFinished, RunStarted};
use verdikt_verdict::evidence::Basis;
use verdikt_verdict::run_result::{RunResult, Totals};

use crate::left_out;
use crate::paint::{Paint, Tone};
use crate::text::{plain, wrap};
use crate::words;

/// What the end of a run shows beside its totals.
pub(super) struct RunEnd<'a> {
    /// Which run it is.
    pub(super) run: Option<&'a RunStarted>,
    /// What was not as expected.
    pub(super) remarkable: &'a [String],
    pub(super) warnings: &'a [Diagnostic],
    /// How many cells' verdicts rest on which evidence.
    pub(super) bases: &'a BTreeMap<Basis, usize>,
}

/// Shows what was not as expected, the backend, and the totals.
pub(super) fn lines(run: &RunFinished, end: &RunEnd<'_>, paint: Paint, width: usize) -> Vec<String> {
    let RunEnd { run: started, remarkable, warnings, bases } = end;
    let mut lines = vec![String::new()];
    if !remarkable.is_empty() {
        lines.push("not as expected:".to_owned());
        lines.extend(remarkable.iter().map(|line| format!("  {line}")));
        lines.push(String::new());
    }
    if !warnings.is_empty() {
        lines.push("warnings:".to_owned());
        lines.extend(warnings.iter().flat_map(|warning| warning_lines(warning, width, paint)));
        lines.push(String::new());
    }
    let (tone, words) = match run.outcome {
        RunResult::AsExpected => (Tone::Allow, "as expected"),
        RunResult::Differs => (Tone::Differs, "DIFFERS"),
        RunResult::Failed => (Tone::Differs, "FAILED"),
        RunResult::Interrupted => (Tone::Inconclusive, "interrupted"),
        RunResult::Inconclusive => (Tone::Inconclusive, "inconclusive"),
        RunResult::NothingToRun => (Tone::Inconclusive, "nothing to run"),
    };
    if !bases.is_empty() {
        lines.extend(wrap(&evidence(bases), width).iter().map(|line| paint.paint(Tone::Quiet, line)));
    }
    if let Some(started) = started {
        lines.extend(wrap(&backend(started), width).iter().map(|line| paint.paint(Tone::Quiet, line)));
    }
    let counts = wrap(&format!("{words}: {}", counts(&run.totals).join(", ")), width);
    lines.extend(counts.iter().map(|line| paint.paint(tone, line)));
    lines
}

/// The totals, as text.
fn counts(totals: &Totals) -> Vec<String> {
    let mut counts = vec![
        counted(totals.scenarios, "scenario"),
        counted(totals.steps, "step"),
        counted(totals.cells, "cell"),
        counted(totals.objects, "policy object"),
    ];
    if totals.invariants > 0 {
        counts.push(counted(totals.invariants, "invariant"));
    }
    for (count, words) in [
        (totals.differing, counted(totals.differing, "differing cell")),
        (totals.inconclusive, counted(totals.inconclusive, "inconclusive cell")),
        (totals.skipped_cells, left_out::count(totals.skipped_cells).unwrap_or_default()),
        (totals.retried, format!("{} attempted again", counted(totals.retried, "cell"))),
        (
            totals.objects_differing,
            format!("{} not as expected", counted(totals.objects_differing, "object")),
        ),
        (
            totals.invariants_differing,
            format!("{} broken", counted(totals.invariants_differing, "invariant")),
        ),
        (
            totals.invariants_unknown,
            format!("{} inconclusive", counted(totals.invariants_unknown, "invariant")),
        ),
        (totals.failed, format!("{} failed", counted(totals.failed, "scenario"))),
        (totals.skipped, format!("{} skipped", counted(totals.skipped, "scenario"))),
        (totals.warnings, counted(totals.warnings, "warning")),
    ] {
        if count > 0 {
            counts.push(words);
        }
    }
    counts
}

/// The backend of the run, and why it is not the lab if no backend was chosen.
fn backend(started: &RunStarted) -> String {
    let instead = started.instead_of_lab.as_ref();
    let instead = instead.map_or_else(String::new, |reason| format!(" instead of lab ({})", plain(reason)));
    format!("backend {}{instead}, Cilium {}", plain(&started.backend), started.cilium)
}

/// A warning: its place, and what it says.
fn warning_lines(warning: &Diagnostic, width: usize, paint: Paint) -> Vec<String> {
    let Diagnostic { place, code, message, .. } = warning;
    let code = code.as_ref().map_or_else(String::new, |code| format!(" [{}]", plain(code)));
    let text = format!("{}: {}{code}", words::place(place), plain(message));
    let lines = wrap(&text, width.saturating_sub(4)).into_iter().enumerate();
    let indent = |at| if at == 0 { "  " } else { "    " };
    lines.map(|(at, line)| format!("{}{}", indent(at), paint.paint(Tone::Inconclusive, &line))).collect()
}

/// How many verdicts rest on which evidence: `evidence: 12 cells by outcome and arrival, 3 by outcome and flow`.
fn evidence(bases: &BTreeMap<Basis, usize>) -> String {
    let mut bases: Vec<(&Basis, &usize)> = bases.iter().collect();
    bases.sort_by_key(|(_, count)| Reverse(**count));
    let counts = bases.iter().enumerate().map(|(at, (basis, count))| {
        let count = if at == 0 { counted(**count, "cell") } else { count.to_string() };
        format!("{count} by {}", words::basis(**basis))
    });
    format!("evidence: {}", counts.collect::<Vec<_>>().join(", "))
}
