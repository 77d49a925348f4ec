//! Columns of a table that say the same, brought together.

use crate::step_table::Numbered;

/// What a table has at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MergedPlace<'a> {
    /// A cell that shows this.
    Cell(&'a str),
    /// Nothing: the row's source is the column's target.
    Itself,
    /// Nothing, for another reason.
    Missing,
}

/// The columns that say the same, in the order of the first of each. Where all cells of a column say one thing it is the
/// same as another that says this, although a target is missing among its own sources.
pub(crate) fn merge<'a>(
    columns: usize,
    rows: usize,
    place: impl Fn(usize, usize) -> MergedPlace<'a>,
) -> Vec<Vec<usize>> {
    let mut keys = Numbered::default();
    let mut merged: Vec<Vec<usize>> = Vec::new();
    for column in 0..columns {
        let number = keys.number(key(rows, |row| place(row, column)));
        merged.resize_with(keys.things.len(), Vec::new);
        merged[number].push(column);
    }
    merged
}

/// What columns that say the same have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum MergeKey<'a> {
    /// One thing everywhere but at these rows, which are missing.
    Uniform(&'a str, Vec<usize>),
    /// Each row its own; none where it is missing.
    Each(Vec<Option<&'a str>>),
}

fn key<'a>(rows: usize, place: impl Fn(usize) -> MergedPlace<'a>) -> MergeKey<'a> {
    let mut shown = (0..rows).filter_map(|row| match place(row) {
        MergedPlace::Cell(text) => Some(text),
        MergedPlace::Itself | MergedPlace::Missing => None,
    });
    if let Some(first) = shown.next()
        && shown.all(|text| text == first)
    {
        return MergeKey::Uniform(
            first,
            (0..rows).filter(|row| place(*row) == MergedPlace::Missing).collect(),
        );
    }
    let each = (0..rows).map(|row| match place(row) {
        MergedPlace::Cell(text) => Some(text),
        MergedPlace::Itself | MergedPlace::Missing => None,
    });
    MergeKey::Each(each.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(rows: &[&str]) -> Vec<Vec<usize>> {
        let columns = rows.first().map_or(0, |row| row.split(' ').count());
        merge(columns, rows.len(), |row, column| match rows[row].split(' ').nth(column).unwrap() {
            "self" => MergedPlace::Itself,
            "-" => MergedPlace::Missing,
            text => MergedPlace::Cell(text),
        })
    }

    #[test]
    fn columns_that_say_the_same_are_one() {
        assert_eq!(merged(&["a a b", "b b b"]), [vec![0, 1], vec![2]]);
        assert_eq!(merged(&["a b a", "b b b"]), [vec![0, 2], vec![1]]);
        assert_eq!(merged(&[]), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn a_target_is_no_source_of_its_own() {
        assert_eq!(merged(&["self a", "a self", "a a"]), [vec![0, 1]]);
        // Something else is missing: not attempted, or of which no policy decides.
        assert_eq!(merged(&["- a", "a a"]), [vec![0], vec![1]]);
        assert_eq!(merged(&["- -", "a a"]), [vec![0, 1]]);
        // What is not the same everywhere is the same only row by row.
        assert_eq!(merged(&["self a", "a self", "b b"]), [vec![0], vec![1]]);
    }
}
