//! One step, when it is over: its table with legend, its objects, and its differences.

use std::sync::Arc;

use verdikt_scenario::topology::Endpoint;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::{CellResult, Verdict};
use verdikt_verdict::event::{CellJudged, ObjectJudged};

use super::{Counts, StepShown, group};
use crate::difference::{self, Setting};
use crate::left_out;
use crate::legend::Legend;
use crate::object;
use crate::paint::{Paint, Tone};
use crate::step_table::StepTable;
use crate::table::{self, Cell, Grid};
use crate::text::{counted, pad, plain, width, wrap};
use crate::words;

/// The columns of the word in front of a step's line: `inconclusive` is the longest.
const WORD: usize = 14;

/// A text with a word in the column in front of it.
pub(super) fn after_word(
    word: &str,
    text: &str,
    width: usize,
    paint: impl Fn(&str) -> String,
) -> Vec<String> {
    let lines = wrap(text, width.saturating_sub(WORD)).into_iter().enumerate();
    let lead = |at| if at == 0 { paint(&pad(word, WORD)) } else { " ".repeat(WORD) };
    lines.map(|(at, line)| format!("{}{line}", lead(at))).collect()
}

/// Everything there is to say of a step.
pub(super) fn lines(step: &StepShown, setting: Setting<'_>, quiet: bool) -> Vec<String> {
    let paint = setting.paint;
    let mut lines = Vec::new();
    if quiet {
        lines.extend(status(step, setting.width, paint));
    } else {
        let place = paint.paint(Tone::Quiet, &words::place(&step.started.place));
        lines.push(String::new());
        lines.extend(status(step, setting.width, paint));
        lines.push(format!("  {place}"));
        if !step.cells.is_empty() {
            lines.push(String::new());
            lines.extend(indented(table_lines(&step.cells, setting), 2));
        }
    }
    if !quiet {
        for sentence in left_out::sentences(&step.skipped) {
            lines.push(String::new());
            let width = setting.width.saturating_sub(4);
            lines.extend(indented(wrap(&plain(&format!("skipped: {sentence}")), width), 2));
        }
    }
    lines.extend(object_lines(&step.objects, setting, quiet));
    for (cell, alike) in group::groups(&step.cells) {
        let (mark, tone) = marked(cell);
        let name = cell.name();
        let result = words::result(cell.result);
        lines.push(String::new());
        for (at, line) in
            wrap(&format!("{name}: {result}"), setting.width.saturating_sub(2)).iter().enumerate()
        {
            let mark = if at == 0 { mark } else { " " };
            lines.push(paint.paint(tone, &format!("{mark} {line}")));
        }
        let inside = Setting { width: setting.width.saturating_sub(4), ..setting };
        lines.extend(indented(difference::lines(cell, inside), 4));
        if !alike.is_empty() {
            lines.extend(indented(group::also(&alike, inside.width), 4));
        }
    }
    lines
}

/// A step in one line, if the width allows: its result in a word, its name, and what was counted.
pub(super) fn status(step: &StepShown, width: usize, paint: Paint) -> Vec<String> {
    let Counts { cells, differing, inconclusive: unclear, again } = step.counts;
    let objects = step.objects.iter().filter(|object| !object.as_expected).count();
    let (word, tone) = match (differing + objects, unclear) {
        (0, 0) => ("ok", Tone::Allow),
        (0, _) => ("inconclusive", Tone::Inconclusive),
        _ => ("DIFFERS", Tone::Differs),
    };
    let mut counts = vec![counted(cells, "cell")];
    for (count, words) in [
        (differing, format!("{differing} differing")),
        (unclear, format!("{unclear} inconclusive")),
        (objects, format!("{} not as expected", counted(objects, "object"))),
        (again, format!("{again} attempted again")),
        (step.skipped.len(), format!("{} skipped", step.skipped.len())),
    ] {
        if count > 0 {
            counts.push(words);
        }
    }
    let name = words::step_name(&step.started);
    let text = format!("{name}: {}", counts.join(", "));
    after_word(word, &text, width, |word| paint.paint(tone, word))
}

fn marked(cell: &CellJudged) -> (&'static str, Tone) {
    match (cell.result, &cell.verdict) {
        (CellResult::Differs | CellResult::DecidedByAnother | CellResult::Contradicted, _) => {
            ("!", Tone::Differs)
        }
        (CellResult::Inconclusive, _) => ("?", Tone::Inconclusive),
        (CellResult::AsExpected, Verdict::Allowed) => (" ", Tone::Allow),
        (CellResult::AsExpected, _) => (" ", Tone::Deny),
    }
}

fn table_lines(cells: &[Arc<CellJudged>], setting: Setting<'_>) -> Vec<String> {
    let StepTable { attempts, rows } =
        StepTable::of(cells.iter().map(|cell| (&*cell.attempt, &cell.source, &**cell)));
    let all_as_expected = cells.iter().all(|cell| cell.result == CellResult::AsExpected);
    let mut legend = Legend::default();
    let mut shown = |cell| shown_cell(cell, setting.version, all_as_expected, &mut legend);
    let mut row = |(source, cells): (&Endpoint, Vec<Option<_>>)| {
        (source.to_string(), cells.into_iter().map(|cell| cell.map(&mut shown)).collect())
    };
    let rows = rows.into_iter().map(&mut row).collect();
    let columns = attempts.iter().map(|attempt| plain(&attempt.to_string())).collect();
    let missing = if all_as_expected { "-" } else { "  -" };
    let limit = setting.width.saturating_sub(2);
    let mut lines = table::lines(&Grid { columns, rows, missing }, limit, setting.paint);
    let legend = legend.lines(setting.paint, limit);
    if !legend.is_empty() {
        lines.push(String::new());
        lines.extend(legend);
    }
    lines
}

/// A cell with its mark, where any cell of the table has one, and the numbers of its rules.
fn shown_cell<'a>(
    cell: &'a CellJudged,
    version: CiliumVersion,
    unmarked: bool,
    legend: &mut Legend<'a>,
) -> Cell {
    let (mark, tone) = marked(cell);
    let mark = if unmarked { String::new() } else { format!("{mark} ") };
    let verdict = words::verdict(&cell.verdict);
    let numbers = legend.refer(cell, version);
    let space = if numbers.is_empty() { "" } else { " " };
    Cell { text: format!("{mark}{verdict}{space}{numbers}"), more: words::instead(cell), tone }
}

fn object_lines(objects: &[ObjectJudged], setting: Setting<'_>, quiet: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for judged in objects.iter().filter(|judged| !quiet || !judged.as_expected) {
        let Some(sentence) = object::sentence(judged) else { continue };
        let (mark, tone) = if judged.as_expected { (" ", Tone::Quiet) } else { ("!", Tone::Differs) };
        if lines.is_empty() {
            lines.push(String::new());
        }
        for (at, line) in wrap(&sentence, setting.width.saturating_sub(2)).iter().enumerate() {
            let mark = if at == 0 { mark } else { " " };
            lines.push(setting.paint.paint(tone, &format!("{mark} {line}")));
        }
    }
    lines
}

fn indented(lines: Vec<String>, columns: usize) -> impl Iterator<Item = String> {
    let indent = " ".repeat(columns);
    lines.into_iter().map(move |line| if width(&line) == 0 { line } else { format!("{indent}{line}") })
}
