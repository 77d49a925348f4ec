//! A run as Markdown, for where people look at a change: what it comes to, each step's table with its sources as
//! rows, and every difference explained.
//!
//! The tables of steps that are as expected are folded. They are left out, and counted, where the text would get
//! longer than GitHub takes for the summary of a job; where even what differs is longer, so are all tables, and then as
//! many cells as have to be.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits>

use std::fmt::Write as _;

use verdikt_scenario::attempt::Target;
use verdikt_scenario::plain::counted;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::CellResult;
use verdikt_verdict::event::{CellJudged, Event};
use verdikt_verdict::run_result::{RunResult, Totals};

use crate::difference::{self, CellSetting};
use crate::evidence;
use crate::left_out;
use crate::merge::{MergedPlace, merge};
use crate::object;
use crate::step_table::StepTable;
use crate::text::plain;
use crate::tree::{RunTree, StepTree};
use crate::words;

mod diagnostics;
mod short;

pub use self::diagnostics::diagnostics;

/// The most bytes of a document, below the 1 MiB that GitHub takes for a step.
const MOST: usize = 900_000;

/// The document of a run.
pub fn markdown(events: &[Event]) -> String {
    let run = RunTree::of(events);
    let version = run.started.map(|run| run.cilium).unwrap_or_default();
    let (open, folded): (Vec<_>, Vec<_>) = steps(&run, version).partition(|(step, _)| !is_as_expected(step));
    let head = head(&run);
    let Some(mut text) = whole(head.clone(), &open, &run) else {
        return short::document(head, &open, folded.len(), &run);
    };
    let mut left_out = 0;
    for (step, _) in folded {
        let one = folded_step(step);
        if text.len() + one.len() > MOST {
            left_out += 1;
        } else {
            text.push_str(&one);
        }
    }
    text.push_str(&tables_left_out(left_out));
    text
}

/// The steps of a run, each with what its explanations need.
fn steps<'a>(
    run: &'a RunTree<'a>,
    version: CiliumVersion,
) -> impl Iterator<Item = (&'a StepTree<'a>, CellSetting<'a>)> {
    run.scenarios.iter().flat_map(move |scenario| {
        let setting = CellSetting::of_document(&scenario.started.place.file, version);
        scenario.steps.iter().map(move |step| (step, setting))
    })
}

/// Everything that has to be seen: every step that is not as expected, and scenarios that were not run. None if it would
/// be too long.
fn whole(mut text: String, open: &[(&StepTree<'_>, CellSetting<'_>)], run: &RunTree<'_>) -> Option<String> {
    let steps = open.iter().flat_map(|(step, setting)| open_step(step, *setting));
    for part in steps.chain(not_run(run)) {
        text.push_str(&part);
        if text.len() > MOST {
            return None;
        }
    }
    Some(text)
}

/// Scenarios that failed, and those that were skipped.
fn not_run<'a>(run: &'a RunTree<'_>) -> impl Iterator<Item = String> + 'a {
    let failed = run.failed.iter().map(|failed| {
        let place = code(&words::place(&failed.place));
        format!("\n### {}: failed\n\n{}, {place}\n", inline(&failed.scenario), inline(&failed.reason))
    });
    let skipped = run
        .skipped
        .iter()
        .map(|skipped| format!("\n{} is skipped: {}\n", inline(&skipped.scenario), inline(&skipped.because)));
    failed.chain(skipped)
}

/// How many steps that are as expected are not shown.
fn tables_left_out(steps: usize) -> String {
    if steps == 0 {
        return String::new();
    }
    format!(
        "\nThe tables of {} as expected are left out: the text would be too long.\n",
        counted(steps, "more step")
    )
}

/// What the run comes to, and what was counted.
fn head(run: &RunTree<'_>) -> String {
    let totals = &run.totals;
    let title = match run.result {
        RunResult::AsExpected => format!("{} as expected", counted(totals.cells, "cell")),
        RunResult::Differs => what_differs(totals).join(", "),
        RunResult::Failed => {
            let failed = format!("{} failed", counted(totals.failed, "scenario"));
            [vec![failed], what_differs(totals)].concat().join(", ")
        }
        RunResult::Interrupted => "interrupted".to_owned(),
        RunResult::Inconclusive => {
            format!("{} of {} inconclusive", totals.inconclusive, counted(totals.cells, "cell"))
        }
        RunResult::NothingToRun => "nothing to run".to_owned(),
    };
    let mut text = format!("## verdikt: {title}\n\n");
    if let Some(started) = run.started {
        let _ = write!(text, "Cilium {}, backend {}: ", started.cilium, inline(&started.backend));
    }
    let counts =
        [counted(totals.scenarios, "scenario"), counted(totals.steps, "step"), counted(totals.cells, "cell")];
    let counts: Vec<String> = counts.into_iter().chain(left_out::count(totals.skipped_cells)).collect();
    let _ = writeln!(text, "{}.", counts.join(", "));
    text
}

/// What differs, if anything does.
fn what_differs(totals: &Totals) -> Vec<String> {
    let mut words = Vec::new();
    if totals.differing > 0 {
        words.push(format!("{} of {} differing", totals.differing, counted(totals.cells, "cell")));
    }
    if totals.objects_differing > 0 {
        words.push(format!("{} not as expected", counted(totals.objects_differing, "object")));
    }
    if totals.invariants_differing > 0 {
        words.push(format!("{} broken", counted(totals.invariants_differing, "invariant")));
    }
    words
}

fn is_as_expected(step: &StepTree<'_>) -> bool {
    step.cells.iter().all(|cell| cell.result == CellResult::AsExpected)
        && step.objects.iter().all(|object| object.as_expected)
        && step.invariants.iter().all(|invariant| invariant.is_as_expected())
}

/// A step that is not as expected, in parts: its table, its objects, and each difference folded.
fn open_step<'a>(step: &'a StepTree<'_>, setting: CellSetting<'a>) -> impl Iterator<Item = String> + 'a {
    let heading = std::iter::once_with(|| format!("{}{}", heading(step), table(step)));
    heading.chain(differences(step, setting))
}

fn heading(step: &StepTree<'_>) -> String {
    let (name, place) = (words::step_name(step.started), words::place(&step.started.place));
    format!("\n### {}\n\n{}\n", inline(&name), code(&place))
}

/// What is not as expected in a step: each object, and each cell folded.
fn differences<'a>(step: &'a StepTree<'_>, setting: CellSetting<'a>) -> impl Iterator<Item = String> + 'a {
    let objects = step.objects.iter().filter(|judged| !judged.as_expected);
    let objects = objects.filter_map(|judged| object::sentence(judged));
    let objects = objects.map(|sentence| format!("\n- **{}**\n", inline(&sentence)));
    let cells = step.cells.iter().filter(|cell| cell.result != CellResult::AsExpected);
    let invariants = step.invariants.iter().filter(|judged| !judged.is_as_expected());
    let invariants = invariants.map(|judged| {
        let seen = judged.evidence().map(evidence::lines).unwrap_or_default();
        let mut text = format!("\n- **{}**\n", inline(&judged.to_string()));
        for line in seen {
            let _ = writeln!(text, "  - {}", inline(&line));
        }
        text
    });
    objects.chain(invariants).chain(cells.map(move |cell| {
        let summary = format!("{}: {}", cell.name(), words::result(cell.result));
        let lines = difference::lines(cell, setting).join("\n");
        let fence = fence_for(&lines);
        format!("\n<details><summary>{}</summary>\n\n{fence}\n{lines}\n{fence}\n</details>\n", html(&summary))
    }))
}

fn folded_step(step: &StepTree<'_>) -> String {
    format!(
        "\n<details><summary>{}: {} as expected</summary>\n{}\n</details>\n",
        html(&words::step_name(step.started)),
        counted(step.cells.len(), "cell"),
        table(step)
    )
}

/// The table of a step: a row for each source, a column for all attempts that come to the same; and what was attempted
/// again.
fn table(step: &StepTree<'_>) -> String {
    let cells = step.cells.iter().map(|cell| (&*cell.attempt, &cell.source, *cell));
    let StepTable { attempts, rows } = StepTable::of(&step.started.sources, cells);
    let texts: Vec<Vec<Option<String>>> =
        rows.iter().map(|(_, cells)| cells.iter().map(|cell| cell.map(shown)).collect()).collect();
    let columns = merge(attempts.len(), rows.len(), |row, column| match &texts[row][column] {
        Some(text) => MergedPlace::Cell(text),
        None if attempts[column].target().and_then(Target::endpoint) == Some(rows[row].0) => {
            MergedPlace::Itself
        }
        None => MergedPlace::Missing,
    });
    let mut text = String::new();
    if !attempts.is_empty() {
        text.push_str("\n| from |");
        for column in &columns {
            let names: Vec<String> =
                column.iter().map(|attempt| code(&attempts[*attempt].to_string())).collect();
            let _ = write!(text, " {} |", names.join("<br>"));
        }
        let _ = writeln!(text, "\n|{}", " --- |".repeat(columns.len() + 1));
    }
    for ((source, _), cells) in rows.iter().zip(&texts) {
        let _ = write!(text, "| {} |", code(&source.to_string()));
        for column in &columns {
            let cell = column.iter().find_map(|attempt| cells[*attempt].as_deref());
            let _ = write!(text, " {} |", cell.unwrap_or_default());
        }
        text.push('\n');
    }
    let mut lead = "\n";
    for sentence in left_out::sentences(step.skipped.iter().copied()) {
        let _ = writeln!(text, "{lead}- skipped: {}", inline(&sentence));
        lead = "";
    }
    for cell in &step.cells {
        if let Some(again) = cell.evidence.as_deref().and_then(evidence::again) {
            let _ = writeln!(text, "{lead}- {}: {}", code(&cell.name().to_string()), inline(&again));
            lead = "";
        }
    }
    text
}

/// A cell's verdict; in bold, with what was expected, if it is not as expected.
fn shown(cell: &CellJudged) -> String {
    let verdict = words::verdict(&cell.verdict);
    match words::instead(cell) {
        None => verdict,
        Some(instead) => format!("**{verdict}** {}", inline(&instead)),
    }
}

/// Text with nothing in it that Markdown or HTML would read, in one line.
pub(crate) fn inline(text: &str) -> String {
    let mut out = String::new();
    for c in plain(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '@' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Text inside an HTML element, where Markdown is not read: in one line, and so that it is copied as it was.
fn html(text: &str) -> String {
    let mut out = String::new();
    for c in plain(text).chars() {
        match c {
            '<' | '>' | '&' | '@' | '#' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Text as code, also inside a table, whose cells end at every bar.
pub(crate) fn code(text: &str) -> String {
    let text = plain(text).replace('|', "\\|");
    let fence = if text.contains('`') { "``" } else { "`" };
    let space = if text.contains('`') { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// A fence longer than any inside the text.
fn fence_for(text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    fence
}

#[cfg(test)]
mod tests;
