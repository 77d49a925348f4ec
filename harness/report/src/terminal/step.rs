//! One step, when it is over: its table with legend, its objects, and its differences.

use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::plain::counted;
use verdikt_scenario::topology::Endpoint;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::{CellResult, Verdict};
use verdikt_verdict::event::{CellJudged, ObjectJudged};

use super::{Counts, Detail, StepShown, group};
use crate::difference::{self, CellSetting};
use crate::left_out;
use crate::legend::Legend;
use crate::merge::{MergedPlace, merge};
use crate::object;
use crate::paint::{Paint, Tone};
use crate::step_table::StepTable;
use crate::table::{self, Grid, TableCell};
use crate::text::{pad, plain, width, wrap};
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
pub(super) fn lines(step: &StepShown, setting: CellSetting<'_>, detail: Detail) -> Vec<String> {
    let paint = setting.paint;
    let mut lines = Vec::new();
    lines.push(String::new());
    lines.extend(status(step, setting.width, paint));
    if detail != Detail::Differences {
        let place = paint.paint(Tone::Quiet, &words::place(&step.started.place));
        lines.push(format!("  {place}"));
        if !step.cells.is_empty() {
            lines.push(String::new());
            lines.extend(indented(table_lines(step, setting), 2));
        }
    }
    if detail != Detail::Differences {
        for sentence in left_out::sentences(&step.skipped) {
            lines.push(String::new());
            let width = setting.width.saturating_sub(4);
            lines.extend(indented(wrap(&plain(&format!("skipped: {sentence}")), width), 2));
        }
    }
    lines.extend(object_lines(&step.objects, setting, detail));
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
        let inside = CellSetting { width: setting.width.saturating_sub(4), ..setting };
        lines.extend(indented(difference::lines(cell, inside), 4));
        if !alike.is_empty() {
            lines.extend(indented(group::also(&alike, inside.width), 4));
        }
    }
    lines
}

/// A step in one line, if the width allows: its result in a word, its name, and what was counted.
pub(super) fn status(step: &StepShown, width: usize, paint: Paint) -> Vec<String> {
    let title = format!("{}: {}", words::step_name(&step.started), counted(step.counts.cells, "cell"));
    line_of(&title, step.counts, width, paint)
}

/// A scenario in one line, if the width allows.
pub(super) fn counted_line(title: &str, counts: Counts, width: usize, paint: Paint) -> Vec<String> {
    line_of(&format!("{title}, {}", counted(counts.cells, "cell")), counts, width, paint)
}

/// The result in a word, a title, and what was counted beyond cells.
fn line_of(title: &str, counts: Counts, width: usize, paint: Paint) -> Vec<String> {
    let Counts { cells: _, differing, inconclusive: unclear, objects, again, skipped } = counts;
    let (word, tone) = match (differing + objects, unclear) {
        (0, 0) => ("ok", Tone::Allow),
        (0, _) => ("inconclusive", Tone::Inconclusive),
        _ => ("DIFFERS", Tone::Differs),
    };
    let mut text = title.to_owned();
    for (count, words) in [
        (differing, format!("{differing} differing")),
        (unclear, format!("{unclear} inconclusive")),
        (objects, format!("{} not as expected", counted(objects, "object"))),
        (again, format!("{again} attempted again")),
        (skipped, format!("{skipped} skipped")),
    ] {
        if count > 0 {
            text = format!("{text}, {words}");
        }
    }
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

fn table_lines(step: &StepShown, setting: CellSetting<'_>) -> Vec<String> {
    let cells = step.cells.iter().map(|cell| (&*cell.attempt, &cell.source, &**cell));
    let StepTable { attempts, rows } = StepTable::of(&step.started.sources, cells);
    let all_as_expected = step.counts.are_as_expected();
    let mut legend = Legend::default();
    let mut shown = |cell| shown_cell(cell, setting.version, all_as_expected, &mut legend);
    let mut all = |cells: Vec<Option<_>>| cells.into_iter().map(|cell| cell.map(&mut shown)).collect();
    let rows: Vec<(&Endpoint, Vec<Option<TableCell>>)> =
        rows.into_iter().map(|(source, cells)| (source, all(cells))).collect();
    let missing = if all_as_expected { "-" } else { "  -" };
    let limit = setting.width.saturating_sub(2);
    let mut lines = table::lines(&merged(&attempts, &rows, missing), limit, setting.paint);
    let legend = legend.lines(setting.paint, limit);
    if !legend.is_empty() {
        lines.push(String::new());
        lines.extend(legend);
    }
    lines
}

/// The table with one column for all attempts of which it says the same.
fn merged(
    attempts: &[&Attempt],
    rows: &[(&Endpoint, Vec<Option<TableCell>>)],
    missing: &'static str,
) -> Grid {
    let texts: Vec<Vec<Option<String>>> = rows
        .iter()
        .map(|(_, cells)| cells.iter().map(|cell| cell.as_ref().map(TableCell::whole)).collect())
        .collect();
    let groups = merge(attempts.len(), rows.len(), |row, column| match &texts[row][column] {
        Some(text) => MergedPlace::Cell(text),
        None if attempts[column].target().and_then(Target::endpoint) == Some(rows[row].0) => {
            MergedPlace::Itself
        }
        None => MergedPlace::Missing,
    });
    let header = |group: &Vec<usize>| {
        let names: Vec<String> = group.iter().map(|column| plain(&attempts[*column].to_string())).collect();
        names.join("\n")
    };
    let row = |(source, cells): &(&Endpoint, Vec<Option<TableCell>>)| {
        let cell = |group: &Vec<usize>| group.iter().find_map(|column| cells[*column].clone());
        (source.to_string(), groups.iter().map(cell).collect())
    };
    Grid { columns: groups.iter().map(header).collect(), rows: rows.iter().map(row).collect(), missing }
}

/// A cell with its mark, where any cell of the table has one, and the numbers of its rules.
fn shown_cell<'a>(
    cell: &'a CellJudged,
    version: CiliumVersion,
    unmarked: bool,
    legend: &mut Legend<'a>,
) -> TableCell {
    let (mark, tone) = marked(cell);
    let mark = if unmarked { String::new() } else { format!("{mark} ") };
    let verdict = words::verdict(&cell.verdict);
    let numbers = legend.refer(cell, version);
    let space = if numbers.is_empty() { "" } else { " " };
    TableCell { text: format!("{mark}{verdict}{space}{numbers}"), more: words::instead(cell), tone }
}

fn object_lines(objects: &[ObjectJudged], setting: CellSetting<'_>, detail: Detail) -> Vec<String> {
    let mut lines = Vec::new();
    for judged in objects.iter().filter(|judged| detail != Detail::Differences || !judged.as_expected) {
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
