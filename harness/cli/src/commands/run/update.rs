//! `run --update`: rewrites tables to the actual verdicts.

mod file;
mod review;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use verdikt_report::line;
use verdikt_scenario::diagnostic::SourceTexts;
use verdikt_scenario::plain::counted;
use verdikt_scenario::rewrite::{CellChange, RewriteError, rewrite};
use verdikt_scenario::scenario::Scenario;
use verdikt_verdict::event::CellJudged;
use verdikt_verdict::record::expectation;

use crate::arguments::{RunArguments, UpdateMode};
use crate::failure::Failure;
use crate::printer::Printer;

/// The tables of the run, as they were read.
pub(super) struct LoadedTables<'a> {
    pub(super) scenarios: &'a [Scenario],
    pub(super) sources: &'a SourceTexts,
}

/// What `--update` did with the cells that differ.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UpdateEffect {
    /// They are listed.
    List,
    /// They are rewritten.
    Write,
}

/// The cells of one file to rewrite.
struct Changes<'a> {
    scenario: &'a Scenario,
    changes: Vec<(&'a CellJudged, CellChange<'a>)>,
}

/// Checks before the run that there is a terminal to ask at.
pub(super) fn check(arguments: &RunArguments) -> Result<(), Failure> {
    let asks = arguments.update == Some(UpdateMode::Review) && !arguments.check;
    if asks && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::wrong("`--update=review` asks at a terminal, and there is none")
            .hint("`--update` rewrites all cells that differ; `--update --check` lists them"));
    }
    Ok(())
}

/// Rewrites the cells that differ, or only lists them. Returns how many cells were rewritten.
pub(super) fn update(
    mode: UpdateMode,
    effect: UpdateEffect,
    tables: &LoadedTables<'_>,
    differing: &[Arc<CellJudged>],
) -> Result<usize, Failure> {
    let scenarios: BTreeMap<&str, &Scenario> =
        tables.scenarios.iter().map(|scenario| (scenario.name.as_str(), scenario)).collect();
    let (mut by_file, mut left) = (BTreeMap::<&str, Changes<'_>>::new(), Vec::new());
    for cell in differing {
        let Some(scenario) = scenarios.get(&*cell.scenario) else { continue };
        match expectation(cell) {
            Err(why) => left.push(format!("{}: {why}", cell.name())),
            Ok(to) => {
                let (step, attempt, source, place) = (&*cell.step, &*cell.attempt, &cell.source, &cell.place);
                let change = CellChange { step, attempt, source, place, to };
                let changes = by_file.entry(&scenario.place.file);
                let changes = changes.or_insert_with(|| Changes { scenario, changes: Vec::new() });
                changes.changes.push((cell, change));
            }
        }
    }
    if mode == UpdateMode::Review && effect == UpdateEffect::Write {
        review::choose(by_file.values_mut().map(|changes| &mut changes.changes));
    }
    let mut recorded = Vec::new();
    for (file, Changes { scenario, changes }) in &by_file {
        let text = tables.sources.text(file).unwrap_or_default();
        let (rewritten, done) = rewritten(text, scenario, changes, &mut left);
        if done.is_empty() {
            continue;
        }
        if effect == UpdateEffect::Write {
            file::write(file, text, &rewritten)?;
        }
        recorded.extend(done);
    }
    tell(&recorded, &left, effect)?;
    Ok(match effect {
        UpdateEffect::List => 0,
        UpdateEffect::Write => recorded.len(),
    })
}

/// The text with all changes that can be made, and the cells that were changed and left.
fn rewritten<'a>(
    text: &str,
    scenario: &Scenario,
    changes: &[(&'a CellJudged, CellChange<'_>)],
    left: &mut Vec<String>,
) -> (String, Vec<&'a CellJudged>) {
    let all: Vec<CellChange<'_>> = changes.iter().map(|(_, change)| change.clone()).collect();
    if let Ok(rewritten) = rewrite(text, scenario, &all) {
        return (rewritten, changes.iter().map(|(cell, _)| *cell).collect());
    }
    // A table that cannot be rewritten does not keep others from being rewritten.
    let mut by_row: BTreeMap<(&str, String), Vec<&(&'a CellJudged, CellChange<'_>)>> = BTreeMap::new();
    for change in changes {
        by_row.entry((change.1.step, change.1.attempt.to_string())).or_default().push(change);
    }
    let (mut good, mut done) = (Vec::new(), Vec::new());
    for row in by_row.values() {
        let of_row: Vec<CellChange<'_>> = row.iter().map(|(_, change)| change.clone()).collect();
        match rewrite(text, scenario, &of_row) {
            Ok(_) => {
                good.extend(of_row);
                done.extend(row.iter().map(|(cell, _)| *cell));
            }
            Err(why) => left.extend(row.iter().map(|(cell, _)| not_rewritten(cell, &why))),
        }
    }
    match rewrite(text, scenario, &good) {
        Ok(rewritten) => (rewritten, done),
        Err(why) => {
            left.extend(done.iter().map(|cell| not_rewritten(cell, &why)));
            (text.to_owned(), Vec::new())
        }
    }
}

fn not_rewritten(cell: &CellJudged, why: &RewriteError) -> String {
    format!("{}: {why}; rewrite it by hand", cell.name())
}

/// Lists the cells that were rewritten, and those that were left.
fn tell(recorded: &[&CellJudged], left: &[String], effect: UpdateEffect) -> Result<(), Failure> {
    let mut lines = vec![String::new()];
    lines.push(match (recorded.len(), effect) {
        (0, _) => "nothing to rewrite".to_owned(),
        (count, UpdateEffect::List) => format!("{} would be rewritten:", counted(count, "cell")),
        (count, UpdateEffect::Write) => format!("{} rewritten:", counted(count, "cell")),
    });
    lines.extend(recorded.iter().map(|cell| {
        let place = &cell.place;
        format!("  {}:{}  {}", place.file, place.line, line::cell(cell))
    }));
    if !left.is_empty() {
        lines.push("left as they are:".to_owned());
        lines.extend(left.iter().map(|left| format!("  {left}")));
    }
    Printer::data(&(lines.join("\n") + "\n"))
}
