//! Partial tables of differences between versions.

use std::collections::BTreeMap;

use super::attempts::{ReadAttempt, attempts};
use super::{AttemptCells, TableContext, cells};
use crate::attempt::Attempt;
use crate::expect::Expectation;
use crate::file::ExpectFile;
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::suggest::did_you_mean;
use crate::scenario::Row;
use crate::topology::Endpoint;

/// The cells of a partial table, which replace cells of the step's table.
pub(crate) fn replaced_cells(
    context: &TableContext<'_>,
    table: &ExpectFile,
    rows: &[Row],
    mistakes: &mut Mistakes,
) -> Vec<(Attempt, Endpoint, Expectation)> {
    let mut replaced = Vec::new();
    let mut seen: BTreeMap<Attempt, u32> = BTreeMap::new();
    for (key, verdicts) in table {
        let attempts = attempts(context, key, mistakes);
        let cells = cells(context, &attempts, verdicts, mistakes);
        for read in attempts {
            if let Some(line) = seen.get(&read.attempt) {
                let message = format!("the attempt `{}` is in this difference already", key.value);
                let help = format!("line {line} has it: merge the cells there");
                mistakes.add(context.file, key.position, Mistake::new(message).help(help));
                continue;
            }
            seen.insert(read.attempt.clone(), key.position.line);
            let Some(row) = rows.iter().find(|row| row.attempt == read.attempt) else {
                let known: Vec<String> = rows.iter().map(|row| row.attempt.to_string()).collect();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let message = format!("the step's `expect` has no attempt `{}`", key.value);
                let help = did_you_mean(&read.attempt.to_string(), "its attempts are", &known);
                mistakes.add(context.file, key.position, Mistake::new(message).help(help));
                continue;
            };
            replaced.extend(replaced_in(row, &read, &cells).into_values());
        }
    }
    replaced
}

/// The cells of a difference that replace those of a row.
fn replaced_in(
    row: &Row,
    read: &ReadAttempt,
    cells: &AttemptCells,
) -> BTreeMap<Endpoint, (Attempt, Endpoint, Expectation)> {
    let AttemptCells { named, patterned, others, .. } = cells;
    let others = others.iter().flat_map(|others| row.cells.iter().map(move |(source, _)| (source, others)));
    // A name wins over a pattern, and a pattern over `others`.
    let all = others.chain(patterned).chain(named);
    let own = all.filter(|(source, _)| read.is_made_by(source));
    own.map(|(source, cell)| (source.clone(), (read.attempt.clone(), source.clone(), cell.clone()))).collect()
}
