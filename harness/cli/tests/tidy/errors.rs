//! No error is dropped without a word: it is logged, or a comment says why nobody misses it.

use rstest::rstest;

use crate::{none, production, sources};

/// How many lines above a statement the reason may stand why its error is dropped.
const NEAR: usize = 3;

/// What does I/O, and so can fail for a reason that somebody may look for.
const IO: &[&str] =
    &["fs::", "File::", "env::current_", ".read_to_", ".read_line(", ".output()", ".canonicalize()"];

/// Whether a line belongs to no statement.
fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The line on which the statement begins that a line belongs to.
fn beginning(lines: &[&str], at: usize) -> usize {
    let ends = |line: &&str| is_comment(line) || line.trim_end().ends_with([';', '{', '}']);
    at - lines[..at].iter().rev().take_while(|line| !ends(line)).count()
}

/// Whether a statement, as far as it is written up to some line, drops an error there.
fn drops(statement: &str, line: &str) -> bool {
    let is_kept = ["let ", "return ", "break "].iter().any(|word| statement.starts_with(word));
    let is_text =
        ["write!(", "writeln!("].iter().any(|name| statement.starts_with(&format!("let _ = {name}")));
    // A text takes every line that is written to it.
    (statement.starts_with("let _ = ") && !is_text)
        || (line.ends_with(".ok();") && !is_kept && !statement.contains(" = "))
        || (line.contains("drop(") && [".send(", ".await)", "write"].iter().any(|call| line.contains(call)))
        || statement.ends_with(".await.ok()")
        || statement.ends_with(".await.unwrap_or_default()")
        || (statement.ends_with(".unwrap_or_default()") && IO.iter().any(|call| statement.contains(call)))
}

/// Where a text drops errors without a reason: the lines, counted from 0.
fn dropped(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let drops_here = |at: &usize| {
        let line = lines[*at].trim();
        let statement: String = lines[beginning(&lines, *at)..*at].iter().map(|line| line.trim()).collect();
        // Whatever follows the call on its line.
        let calls = [".unwrap_or_default()", ".ok()"];
        let ends = calls.iter().filter_map(|call| Some(line.find(call)? + call.len()));
        let ends: Vec<usize> = ends.chain([line.len()]).collect();
        !is_comment(line) && ends.iter().any(|end| drops(&format!("{statement}{}", &line[..*end]), line))
    };
    let has_reason = |at: usize| {
        let first = beginning(&lines, at).saturating_sub(NEAR);
        lines[first..at].iter().any(|line| is_comment(line))
    };
    (0..lines.len()).filter(drops_here).filter(|at| !has_reason(*at)).collect()
}

#[test]
fn dropped_errors_have_a_reason() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.is_production()) {
        let text = production(&source.text);
        for at in dropped(text) {
            let line = text.lines().nth(at).unwrap_or_default().trim();
            broken.push(format!("{}:{}: {line}", source.path, at + 1));
        }
    }
    none(&broken, "log the error, or say above it why nobody misses it");
}

#[rstest]
#[case::a_name_for_nothing("let _ = tell.send(report);", true)]
#[case::a_text_takes_all("let _ = write!(text, \"{name}\");", false)]
#[case::a_statement("fs::remove_file(path).ok();", true)]
#[case::a_statement_of_two_lines("fs::remove_file(path)\n    .ok();", true)]
#[case::a_value("let text = fs::read_to_string(path).ok();", false)]
#[case::a_field("self.text = fs::read_to_string(path).ok();", false)]
#[case::a_default("let text = fs::read_to_string(path).unwrap_or_default();", true)]
#[case::a_default_on_its_own_line("let text = fs::read_to_string(path)\n    .unwrap_or_default();", true)]
#[case::a_reason("// None says nothing.\nlet text = fs::read_to_string(path).unwrap_or_default();", false)]
#[case::a_default_of_an_option("let text = names.get(name).cloned().unwrap_or_default();", false)]
#[case::a_default_for_an_answer("let said = ask(agent).await.unwrap_or_default();", true)]
#[case::an_error_handed_on("let said = ask(agent).await?.name.unwrap_or_default();", false)]
#[case::an_answer_if_any("let said = ask(agent).await.ok()?;", true)]
#[case::an_error_that_is_logged("let said = ask(agent).await.inspect_err(log).ok()?;", false)]
#[case::a_drop("let tell = |told| drop(tell.send(told));", true)]
#[case::a_condition("if let Ok(text) = fs::read_to_string(path) {", false)]
fn dropped_errors_are_found(#[case] text: &str, #[case] expected: bool) {
    assert_eq!(!dropped(text).is_empty(), expected);
}
