//! What a table holds, and how much work it takes to build one.

use std::cell::Cell;
use std::cmp::Ordering;

use super::*;

thread_local! {
    static COMPARISONS: Cell<usize> = const { Cell::new(0) };
}

/// A key that counts how often it is compared.
#[derive(Clone, Copy, Debug)]
struct CountedKey(usize);

impl PartialEq for CountedKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for CountedKey {}

impl PartialOrd for CountedKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CountedKey {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARISONS.set(COMPARISONS.get() + 1);
        self.0.cmp(&other.0)
    }
}

/// How many comparisons the table of so many attempts and sources takes, for each of its cells.
fn comparisons(attempts: usize, sources: usize) -> usize {
    let cells = (0..attempts).flat_map(|attempt| {
        (0..sources).map(move |source| (CountedKey(attempt), CountedKey(source), (attempt, source)))
    });
    COMPARISONS.set(0);
    let table = StepTable::of([], cells);
    assert_eq!(table.rows[sources - 1].1[attempts - 1], Some((attempts - 1, sources - 1)));
    COMPARISONS.get() / (attempts * sources)
}

#[test]
fn work_grows_with_the_number_of_cells() {
    let (few, many) = (comparisons(20, 20), comparisons(200, 200));
    // A search in a tree takes a few more comparisons a cell in the larger table, one through the cells 100 times as many.
    assert!(few > 0 && many <= 4 * few, "{few} comparisons a cell in a small table, {many} in a large one");
}

#[test]
fn attempts_keep_their_order_and_sources_are_sorted() {
    let table = StepTable::of([], [("b", 2, 'x'), ("a", 1, 'y'), ("b", 1, 'z'), ("b", 2, 'w')]);
    assert_eq!(table.attempts, ["b", "a"]);
    assert_eq!(table.rows, [(1, vec![Some('z'), Some('y')]), (2, vec![Some('x'), None])]);
}

#[test]
fn sources_come_in_the_order_given() {
    let table = StepTable::of([3, 9, 1], [("a", 1, 'x'), ("a", 2, 'y'), ("a", 3, 'z')]);
    let sources: Vec<i32> = table.rows.iter().map(|(source, _)| *source).collect();
    assert_eq!(sources, [3, 1, 2]);
}
