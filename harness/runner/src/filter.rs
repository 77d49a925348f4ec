//! Filters: which cells of a run are selected.

use std::convert::Infallible;
use std::str::FromStr;

use verdikt_scenario::cell_name::CellName;
use verdikt_scenario::expect::Expectation;
use verdikt_scenario::scenario::{Row, Scenario, Step};
use verdikt_scenario::topology::Endpoint;
use verdikt_scenario::unreachable::Unreachable;

/// A text that the [names](CellName) of the selected cells contain. If it has stars, each stands for any text, and the
/// whole name must match. The whole name of a cell selects only this cell, not those whose names continue. A star after
/// a backslash is a star of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    text: String,
    /// The texts between the stars: one if there is no star.
    parts: Vec<String>,
}

impl FromStr for Filter {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (mut parts, mut part, mut escaped) = (Vec::new(), String::new(), false);
        for c in text.chars() {
            if c == '*' && !escaped {
                parts.push(std::mem::take(&mut part));
            } else {
                part.push(c);
            }
            escaped = c == '\\' && !escaped;
        }
        parts.push(part);
        Ok(Self { text: text.to_owned(), parts })
    }
}

impl Filter {
    /// Whether a name matches.
    fn matches(&self, name: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return name.contains(&self.text);
        };
        let Some(mut rest) = name.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

/// A cell to evaluate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SelectedCell<'a> {
    /// Its index among all cells of the step.
    pub(crate) index: usize,
    /// The index of its row in the table.
    pub(crate) row_index: usize,
    pub(crate) row: &'a Row,
    pub(crate) source: &'a Endpoint,
    pub(crate) expectation: &'a Expectation,
}

/// The cells of a step that one of the filters selects; all, if there is none. Every name is written once and read once for
/// each filter.
pub(crate) fn selected<'a>(scenario: &Scenario, step: &'a Step, filters: &[Filter]) -> Vec<SelectedCell<'a>> {
    let cells = all_cells(step);
    if filters.is_empty() {
        return cells.collect();
    }
    let names: Vec<String> = all_cells(step).map(|cell| name(scenario, step, &cell)).collect();
    let mut chosen = vec![false; names.len()];
    for filter in filters {
        let mut exact = false;
        for (chosen, _) in chosen.iter_mut().zip(&names).filter(|(_, name)| **name == filter.text) {
            (*chosen, exact) = (true, true);
        }
        if !exact {
            chosen.iter_mut().zip(&names).for_each(|(chosen, name)| *chosen |= filter.matches(name));
        }
    }
    cells.zip(chosen).filter(|(_, chosen)| *chosen).map(|(cell, _)| cell).collect()
}

/// The name of a cell of a step.
pub(crate) fn name(scenario: &Scenario, step: &Step, cell: &SelectedCell<'_>) -> String {
    let SelectedCell { row, source, .. } = *cell;
    CellName { scenario: &scenario.name, step: &step.name, attempt: &row.attempt, source }.to_string()
}

/// The cells of a step that a run reports.
#[derive(Debug)]
pub(crate) struct StepCells<'a> {
    /// The cells to evaluate.
    pub(crate) selected: Vec<SelectedCell<'a>>,
    /// The selected cells that cannot be attempted.
    pub(crate) skipped: Vec<SkippedCell<'a>>,
}

impl<'a> StepCells<'a> {
    /// The cells that one of the filters selects; all, if there is none.
    pub(crate) fn of(scenario: &Scenario, step: &'a Step, filters: &[Filter]) -> Self {
        let (selected, skipped) = (selected(scenario, step, filters), skipped(scenario, step, filters));
        Self { selected, skipped }
    }

    /// Whether there are no cells to report.
    pub(crate) fn is_empty(&self) -> bool {
        self.selected.is_empty() && self.skipped.is_empty()
    }
}

/// A cell that cannot be attempted, and why.
#[derive(Debug)]
pub(crate) struct SkippedCell<'a> {
    pub(crate) row: &'a Row,
    pub(crate) source: &'a Endpoint,
    pub(crate) expectation: &'a Expectation,
    pub(crate) because: Unreachable,
}

fn skipped<'a>(scenario: &Scenario, step: &'a Step, filters: &[Filter]) -> Vec<SkippedCell<'a>> {
    let cells = step.table.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
    let skipped = cells.filter_map(|(row, (source, expectation))| {
        let because = Unreachable::of(&step.topology, source, &row.attempt)?;
        Some(SkippedCell { row, source, expectation, because })
    });
    let is_selected = |cell: &SkippedCell<'_>| {
        let (scenario, step) = (scenario.name.as_str(), step.name.as_str());
        let name = CellName { scenario, step, attempt: &cell.row.attempt, source: cell.source }.to_string();
        filters.is_empty() || filters.iter().any(|filter| filter.text == name || filter.matches(&name))
    };
    skipped.filter(is_selected).collect()
}

/// Every cell of a step that can be attempted, in the order of its table.
pub(crate) fn all_cells(step: &Step) -> impl Iterator<Item = SelectedCell<'_>> {
    let cells = step.table.iter().enumerate().flat_map(|(row_index, row)| {
        row.cells.iter().map(move |(source, expectation)| (row_index, row, source, expectation))
    });
    let can = |source: &Endpoint, row: &Row| Unreachable::of(&step.topology, source, &row.attempt).is_none();
    let cells = cells.filter(move |(_, row, source, _)| can(source, row));
    cells.enumerate().map(|(index, (row_index, row, source, expectation))| SelectedCell {
        index,
        row_index,
        row,
        source,
        expectation,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_stars() {
        let name = "three-tier/locked down/tcp database/redis:6379/client";
        let check = |text: &str, expected: bool| {
            let Ok(filter) = text.parse::<Filter>();
            assert_eq!(filter.matches(name), expected, "{text}");
        };
        check("", true);
        check("redis", true);
        check("locked down/tcp", true);
        check("monitor", false);
        check("three-tier/*/client", true);
        check("three-tier/*", true);
        check("*/client", true);
        check("*redis*client*", true);
        check("*redis*redis*", false);
        check("tier/*", false);
        check("*/clien", false);
        check(r"*\*", false);
    }

    #[test]
    fn stars_of_a_name() {
        let check = |text: &str, name: &str, expected: bool| {
            let Ok(filter) = text.parse::<Filter>();
            assert_eq!(filter.matches(name), expected, "{text}");
        };
        check(r"a\*b", r"s/a\*b/x", true);
        check(r"a\*b", "s/a-b/x", false);
        check(r"s/a\\*", r"s/a\\-b", true);
        check(r"s/a\\*", r"s/a\*", false);
    }
}
