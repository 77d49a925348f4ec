//! No error is dropped without a word: it is logged, or a comment says why nobody misses it.

use crate::{none, production, sources};

/// How many lines above a dropped error its reason may stand.
const NEAR: usize = 3;

#[test]
fn dropped_errors_have_a_reason() {
    // A text takes every line that is written to it.
    let drops = |line: &str| {
        let dropped = line.trim_start().strip_prefix("let _ = ");
        dropped.is_some_and(|dropped| !dropped.starts_with("write!(") && !dropped.starts_with("writeln!("))
    };
    let is_comment = |line: &&str| line.trim_start().starts_with("//");
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.is_production()) {
        let lines: Vec<&str> = production(&source.text).lines().collect();
        for at in (0..lines.len()).filter(|at| drops(lines[*at])) {
            if !lines[at.saturating_sub(NEAR)..at].iter().any(is_comment) {
                broken.push(format!("{}:{}: {}", source.path, at + 1, lines[at].trim()));
            }
        }
    }
    none(&broken, "log the error, or say above it why nobody misses it");
}
