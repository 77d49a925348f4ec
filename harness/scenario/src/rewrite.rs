//! Rewrites cells of a scenario file's tables in place. Everything else stays as it is, byte by byte: comments, the
//! order of verdicts and sources, and the style.

mod assign;
mod edit;
mod tree;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use crate::attempt::Attempt;
use crate::expect::{Expectation, Expected};
use crate::place::{Place, Position};
use crate::scenario::{Scenario, Step};
use crate::topology::Endpoint;

use assign::Assignment;
use edit::Edits;
use tree::{ScenarioTables, VerdictMap};

/// A cell to change.
#[derive(Clone, Debug)]
pub struct CellChange<'a> {
    /// The step.
    pub step: &'a str,
    /// The attempt.
    pub attempt: &'a Attempt,
    /// The source.
    pub source: &'a Endpoint,
    /// Where its present expectation is written: in the step's table, or in one of its differences.
    pub place: &'a Place,
    /// Its new expectation.
    pub to: Expected,
}

/// Why a table was not rewritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// The cells are shared by several places through an anchor.
    #[error("the cells at line {0} are shared with other tables by an anchor or an alias")]
    Shared(u32),
    /// The layout cannot be edited in place.
    #[error("the cells at line {0} are laid out in a way that cannot be rewritten in place")]
    Layout(u32),
    /// The text is not the one from which the scenario was read.
    #[error("the text of the file is not the one that the scenario was read from")]
    OtherText,
}

/// A cell of a table that changes, in the words of the file.
#[derive(Clone, Debug)]
struct ChangedMember {
    source: String,
    /// The place of its source, or of the `others` or pattern that stands for it.
    at: Position,
    expected: Expected,
    to: Option<Expected>,
}

/// Returns the text with these cells changed.
pub fn rewrite(text: &str, scenario: &Scenario, changes: &[CellChange<'_>]) -> Result<String, RewriteError> {
    if changes.is_empty() {
        return Ok(text.to_owned());
    }
    let root = tree::parse(text).ok_or(RewriteError::OtherText)?;
    let tables = ScenarioTables::of(&root);
    let mut edits = Edits::new(text);
    let mut wanted = BTreeMap::new();
    for members in changed_tables(scenario, changes) {
        let map = map_of(&tables, &members)?;
        let assignment = Assignment::new(text, map, &members);
        edits.rewrite(map, &assignment)?;
        wanted.insert(map.start(), members);
    }
    let rewritten = edits.apply();
    let line = changes.iter().map(|change| change.place.line).min().unwrap_or_default();
    if verify::holds(&root, &rewritten, &wanted) { Ok(rewritten) } else { Err(RewriteError::Layout(line)) }
}

/// The mapping from verdicts to sources that contains all of these cells.
fn map_of<'a, 't>(
    tables: &'a ScenarioTables<'t>,
    members: &[ChangedMember],
) -> Result<&'a VerdictMap<'t>, RewriteError> {
    let first = members.first().ok_or(RewriteError::OtherText)?;
    let shared = || RewriteError::Shared(first.at.line);
    let map = tables.map_with(first.at).ok_or_else(shared)?;
    if map.is_shared || !members.iter().all(|member| map.has(member.at)) {
        return Err(shared());
    }
    Ok(map)
}

/// All cells of every table that has at least one of the changes. A row of a step's table, and an attempt of a
/// difference, are one table each.
fn changed_tables(scenario: &Scenario, changes: &[CellChange<'_>]) -> Vec<Vec<ChangedMember>> {
    let to: BTreeMap<_, &Expected> = changes
        .iter()
        .map(|change| ((change.step, change.attempt, change.source, change.place), &change.to))
        .collect();
    let attempts: BTreeSet<(&str, &Attempt)> =
        changes.iter().map(|change| (change.step, change.attempt)).collect();
    let steps: BTreeSet<&str> = changes.iter().map(|change| change.step).collect();
    let mut tables = Vec::new();
    for step in scenario.steps.iter().filter(|step| steps.contains(step.name.as_str())) {
        let member = |attempt: &Attempt, source: &Endpoint, cell: &Expectation| ChangedMember {
            source: source.to_string(),
            at: Position { line: cell.place.line, column: cell.place.column },
            expected: cell.expected.clone(),
            to: to.get(&(step.name.as_str(), attempt, source, &cell.place)).copied().cloned(),
        };
        let is_changed = |attempt: &Attempt| attempts.contains(&(step.name.as_str(), attempt));
        tables.extend(members_of(step, is_changed, member));
    }
    tables.retain(|members: &Vec<ChangedMember>| members.iter().any(|member| member.to.is_some()));
    tables
}

fn members_of(
    step: &Step,
    is_changed: impl Fn(&Attempt) -> bool,
    member: impl Fn(&Attempt, &Endpoint, &Expectation) -> ChangedMember,
) -> Vec<Vec<ChangedMember>> {
    let mut tables = Vec::new();
    // A name that means another service in each namespace is one key of the file and several rows.
    for rows in step.table.chunk_by(|one, other| one.place == other.place) {
        if rows.iter().any(|row| is_changed(&row.attempt)) {
            let cells = rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (&row.attempt, cell)));
            tables.push(cells.map(|(attempt, (source, cell))| member(attempt, source, cell)).collect());
        }
    }
    for difference in &step.differences {
        let mut by_attempt: BTreeMap<&Attempt, Vec<ChangedMember>> = BTreeMap::new();
        for (attempt, source, cell) in difference.cells.iter().filter(|cell| is_changed(&cell.0)) {
            by_attempt.entry(attempt).or_default().push(member(attempt, source, cell));
        }
        tables.extend(by_attempt.into_values());
    }
    tables
}

#[cfg(test)]
mod tests;
