//! The exit codes as numbers. What each means is in the one table: [`Exit`].

use verdikt_verdict::exit::Exit;

pub(crate) const AS_EXPECTED: u8 = Exit::AsExpected.code();
pub(crate) const DIFFERS: u8 = Exit::Differs.code();
pub(crate) const WRONG_INPUT: u8 = Exit::WrongInput.code();
pub(crate) const INCONCLUSIVE: u8 = Exit::Inconclusive.code();
pub(crate) const MACHINE_FAILED: u8 = Exit::Failed.code();
pub(crate) const NOTHING_TO_RUN: u8 = Exit::NothingToRun.code();

/// The table, for the help.
pub(crate) fn table() -> String {
    let rows = Exit::ALL.map(|exit| format!("\n  {}  {}", exit.code(), exit.meaning()));
    format!("Exit codes:{}", rows.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The book has the same table.
    #[test]
    fn the_book_has_the_table() {
        let page = include_str!("../../../docs/src/commands.md");
        let (_, table) = page.split_once("| exit code | meaning |\n|---|---|\n").unwrap();
        let rows = Exit::ALL.map(|exit| format!("| {} | {} |\n", exit.code(), exit.meaning()));
        assert_eq!(table.split_once("\n\n").unwrap().0.to_owned() + "\n", rows.concat());
    }
}
