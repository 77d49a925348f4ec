//! Asks at the terminal which cells to rewrite, one by one.

use std::io;

use verdikt_report::line;
use verdikt_scenario::rewrite::CellChange;
use verdikt_verdict::event::CellJudged;

use crate::printer::Printer;

/// The answer about one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReviewChoice {
    Yes,
    No,
    /// Rewrite this cell and all that follow.
    All,
    /// Rewrite no more cells.
    Quit,
}

impl ReviewChoice {
    fn of(answer: &str) -> Option<Self> {
        match answer.trim() {
            "y" | "yes" => Some(Self::Yes),
            "n" | "no" => Some(Self::No),
            "a" | "all" => Some(Self::All),
            "q" | "quit" => Some(Self::Quit),
            _ => None,
        }
    }
}

/// Keeps only the changes that the user chooses.
pub(super) fn choose<'a, 'c: 'a>(files: impl Iterator<Item = &'a mut Vec<(&'c CellJudged, CellChange<'c>)>>) {
    let files: Vec<_> = files.collect();
    let count: usize = files.iter().map(|changes| changes.len()).sum();
    let (mut number, mut standing) = (0, None);
    for changes in files {
        changes.retain(|(cell, change)| {
            number += 1;
            let choice = standing.unwrap_or_else(|| ask(number, count, cell, change));
            if matches!(choice, ReviewChoice::All | ReviewChoice::Quit) {
                standing = Some(choice);
            }
            matches!(choice, ReviewChoice::Yes | ReviewChoice::All)
        });
    }
}

/// Asks about one cell until there is a valid answer; the end of the input means no.
fn ask(number: usize, count: usize, cell: &CellJudged, change: &CellChange<'_>) -> ReviewChoice {
    let place = &cell.place;
    Printer::tell(&format!("\n[{number}/{count}] {}:{}  {}\n", place.file, place.line, line::cell(cell)));
    loop {
        Printer::tell(&format!("record `{}`? [y]es, [n]o, [a]ll that follow, [q]uit: ", change.to));
        let mut answer = String::new();
        match io::stdin().read_line(&mut answer) {
            Ok(read) if read > 0 => {}
            _ => return ReviewChoice::Quit,
        }
        if let Some(choice) = ReviewChoice::of(&answer) {
            return choice;
        }
    }
}
