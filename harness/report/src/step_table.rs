//! The table of a step, indexed: which cell belongs to which source and attempt, found without a search.

use std::collections::BTreeMap;

/// A table, built in one pass over its cells.
#[derive(Debug)]
pub(crate) struct StepTable<A, S, C> {
    /// The attempts, in the order in which cells name them first.
    pub(crate) attempts: Vec<A>,
    /// The sources in the order given, and then in their own; each with as many cells as there are attempts.
    pub(crate) rows: Vec<(S, Vec<Option<C>>)>,
}

impl<A: Copy + Ord, S: Ord, C> StepTable<A, S, C> {
    /// Builds the table of these cells. Of two cells of one source and attempt the first counts.
    pub(crate) fn of(order: impl IntoIterator<Item = S>, cells: impl IntoIterator<Item = (A, S, C)>) -> Self {
        let mut attempts = Numbered::default();
        let mut rows: BTreeMap<S, Vec<Option<C>>> = BTreeMap::new();
        for (attempt, source, cell) in cells {
            let column = attempts.number(attempt);
            let row = rows.entry(source).or_default();
            if row.len() <= column {
                row.resize_with(column + 1, || None);
            }
            row[column].get_or_insert(cell);
        }
        let attempts = attempts.things;
        let mut ordered: Vec<(S, Vec<Option<C>>)> =
            order.into_iter().filter_map(|source| rows.remove_entry(&source)).collect();
        ordered.extend(rows);
        let mut rows = ordered;
        for (_, row) in &mut rows {
            row.resize_with(attempts.len(), || None);
        }
        Self { attempts, rows }
    }
}

/// Things numbered from 0 in the order in which they come first.
#[derive(Debug)]
pub(crate) struct Numbered<T> {
    /// The things, in that order.
    pub(crate) things: Vec<T>,
    numbers: BTreeMap<T, usize>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { things: Vec::new(), numbers: BTreeMap::new() }
    }
}

impl<T: Clone + Ord> Numbered<T> {
    /// The number of a thing, which is a new one if the thing is new.
    pub(crate) fn number(&mut self, thing: T) -> usize {
        if let Some(number) = self.numbers.get(&thing) {
            return *number;
        }
        let number = self.things.len();
        self.numbers.insert(thing.clone(), number);
        self.things.push(thing);
        number
    }
}

#[cfg(test)]
mod tests;
