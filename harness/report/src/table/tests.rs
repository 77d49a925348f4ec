//! Tables keep to their width.

use proptest::prelude::*;

use super::*;

fn cell(text: String, more: Option<String>) -> TableCell {
    TableCell { text, more, tone: Tone::Plain }
}

proptest! {
    #[test]
    fn no_line_is_too_wide(
        limit in 10_usize..160,
        columns in prop::collection::vec("[a-z/:.表]{0,30}( [a-z/:.表]{1,30})?", 1..7),
        rows in prop::collection::vec(("[a-z/-]{0,40}", "[a-z]{1,15}( [a-z]{1,15})?", prop::option::of("[a-z]{1,20}( [a-z]{1,20})?")), 0..7),
        holes in any::<u8>(),
    ) {
        let row = |(label, text, more): &(String, String, Option<String>)| {
            let cells = (0..columns.len()).map(|at| (holes >> at & 1 == 0).then(|| cell(text.clone(), more.clone())));
            (label.clone(), cells.collect())
        };
        let grid = Grid { columns: columns.clone(), rows: rows.iter().map(row).collect(), missing: "-" };
        for line in lines(&grid, limit, Paint { colour: false }) {
            prop_assert!(width(&line) <= limit, "{line:?} is wider than {limit}");
            prop_assert_eq!(line.trim_end(), line.as_str());
        }
    }
}
