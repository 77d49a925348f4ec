//! A run as Markdown, for where people look at a change: what it comes to, each step's table with its sources as
//! rows, and every difference explained.
//!
//! The tables of steps that are as expected are folded. They are left out, and counted, where the text would get
//! longer than GitHub takes for the summary of a job.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits>

use std::collections::BTreeSet;
use std::fmt::Write as _;

use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::compare::CellResult;
use verdikt_verdict::event::{CellJudged, Event};
use verdikt_verdict::outcome::Outcome;

use crate::difference::{self, Setting};
use crate::evidence;
use crate::object;
use crate::text::{counted, plain};
use crate::tree::{Run, Step};
use crate::words;

/// The most bytes of a document, below the 1 MiB that GitHub takes for a step.
const MOST: usize = 900_000;

/// The document of a run.
pub fn markdown(events: &[Event]) -> String {
    let run = Run::of(events);
    let version = run.started.map(|run| run.cilium).unwrap_or_default();
    let mut text = head(&run);
    let mut folded = Vec::new();
    for scenario in &run.scenarios {
        let setting = Setting::of_document(&scenario.started.place.file, version);
        for step in &scenario.steps {
            if is_as_expected(step) {
                folded.push(step);
            } else {
                text.push_str(&open_step(step, setting));
            }
        }
    }
    for failed in &run.failed {
        let _ = write!(
            text,
            "\n### {}: failed\n\n{}, {}\n",
            inline(&failed.scenario),
            inline(&failed.reason),
            code(&words::place(&failed.place))
        );
    }
    for skipped in &run.skipped {
        let _ = write!(text, "\n{} is skipped: {}\n", inline(&skipped.scenario), inline(&skipped.because));
    }
    let mut left_out = 0;
    for step in folded {
        let one = folded_step(step);
        if text.len() + one.len() > MOST {
            left_out += 1;
        } else {
            text.push_str(&one);
        }
    }
    if left_out > 0 {
        let _ = write!(
            text,
            "\nThe tables of {} as expected are left out: the text would be too long.\n",
            counted(left_out, "more step")
        );
    }
    text
}

/// What the run comes to, and what was counted.
fn head(run: &Run<'_>) -> String {
    let totals = &run.totals;
    let objects = counted(totals.objects_differing, "object");
    let title = match run.outcome {
        Outcome::AsExpected => format!("{} as expected", counted(totals.cells, "cell")),
        Outcome::Differs if totals.differing == 0 => format!("{objects} not as expected"),
        Outcome::Differs if totals.objects_differing == 0 => {
            format!("{} of {} differing", totals.differing, counted(totals.cells, "cell"))
        }
        Outcome::Differs => {
            format!(
                "{} of {} differing, {objects} not as expected",
                totals.differing,
                counted(totals.cells, "cell")
            )
        }
        Outcome::Failed => format!("{} failed", counted(totals.failed, "scenario")),
        Outcome::Interrupted => "interrupted".to_owned(),
        Outcome::Inconclusive => {
            format!("{} of {} inconclusive", totals.inconclusive, counted(totals.cells, "cell"))
        }
        Outcome::NothingToRun => "nothing to run".to_owned(),
    };
    let mut text = format!("## verdikt: {title}\n\n");
    if let Some(started) = run.started {
        let _ = write!(text, "Cilium {}, backend {}: ", started.cilium, inline(&started.backend));
    }
    let counts =
        [counted(totals.scenarios, "scenario"), counted(totals.steps, "step"), counted(totals.cells, "cell")];
    let _ = writeln!(text, "{}.", counts.join(", "));
    text
}

fn is_as_expected(step: &Step<'_>) -> bool {
    step.cells.iter().all(|cell| cell.result == CellResult::AsExpected)
        && step.objects.iter().all(|object| object.as_expected)
}

fn name(step: &Step<'_>) -> String {
    inline(&format!("{} / {}", step.started.scenario, step.started.step))
}

/// A step that is not as expected: its table, its objects, and each difference folded.
fn open_step(step: &Step<'_>, setting: Setting<'_>) -> String {
    let mut text =
        format!("\n### {}\n\n{}\n{}", name(step), code(&words::place(&step.started.place)), table(step));
    for judged in step.objects.iter().filter(|judged| !judged.as_expected) {
        if let Some(sentence) = object::sentence(judged) {
            let _ = write!(text, "\n- **{}**\n", inline(&sentence));
        }
    }
    for cell in step.cells.iter().filter(|cell| cell.result != CellResult::AsExpected) {
        let summary = format!("{} from {}: {}", cell.attempt, cell.source, words::result(cell.result));
        let lines = difference::lines(cell, setting).join("\n");
        let fence = fence_for(&lines);
        let _ = write!(
            text,
            "\n<details><summary>{}</summary>\n\n{fence}\n{lines}\n{fence}\n</details>\n",
            inline(&summary)
        );
    }
    text
}

fn folded_step(step: &Step<'_>) -> String {
    format!(
        "\n<details><summary>{}: {} as expected</summary>\n{}\n</details>\n",
        name(step),
        counted(step.cells.len(), "cell"),
        table(step)
    )
}

/// The table of a step: a row for each source, a column for each attempt; and what was attempted again.
fn table(step: &Step<'_>) -> String {
    let (mut attempts, mut sources) = (Vec::<&Attempt>::new(), BTreeSet::<&Endpoint>::new());
    for cell in &step.cells {
        if !attempts.contains(&&cell.attempt) {
            attempts.push(&cell.attempt);
        }
        sources.insert(&cell.source);
    }
    if attempts.is_empty() {
        return String::new();
    }
    let mut text = "\n| from |".to_owned();
    for attempt in &attempts {
        let _ = write!(text, " {} |", code(&attempt.to_string()));
    }
    let _ = writeln!(text, "\n|{}", " --- |".repeat(attempts.len() + 1));
    for source in sources {
        let _ = write!(text, "| {} |", code(&source.to_string()));
        for attempt in &attempts {
            let cell = step.cells.iter().find(|cell| cell.attempt == **attempt && cell.source == *source);
            let _ = write!(text, " {} |", cell.map_or_else(String::new, |cell| shown(cell)));
        }
        text.push('\n');
    }
    let mut lead = "\n";
    for cell in &step.cells {
        if let Some(again) = cell.evidence.as_ref().and_then(evidence::again) {
            let (attempt, source) = (code(&cell.attempt.to_string()), code(&cell.source.to_string()));
            let _ = writeln!(text, "{lead}- {attempt} from {source}: {}", inline(&again));
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
fn inline(text: &str) -> String {
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

/// Text as code, also inside a table, whose cells end at every bar.
fn code(text: &str) -> String {
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
