//! The names of cells and steps: what every report prints and every filter accepts.
//!
//! A name is `scenario/step/attempt/source`, as in `three-tier/locked down/tcp database/redis:6379/client`. It is one
//! line, can be copied from any report, and has no character with another meaning in a filter:
//!
//! | in a scenario file | in a name |
//! |---|---|
//! | a slash in the name of a scenario or step | `\/` |
//! | a star | `\*` |
//! | a backslash | `\\` |
//! | a line end, tab, control or invisible character | `\n`, `\t`, `\u{1b}` |
//! | a blank at either end of a part, or after another blank | `\u{20}` |

use std::fmt::{self, Write as _};

use crate::attempt::Attempt;
use crate::topology::Endpoint;

/// The name of a step: `scenario/step`.
#[derive(Clone, Copy, Debug)]
pub struct StepName<'a> {
    /// The scenario.
    pub scenario: &'a str,
    /// The step.
    pub step: &'a str,
}

impl fmt::Display for StepName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        part(f, Slashes::Escaped, &self.scenario)?;
        f.write_char('/')?;
        part(f, Slashes::Escaped, &self.step)
    }
}

/// The name of a cell: `scenario/step/attempt/source`.
///
/// ```
/// use verdikt_scenario::cell_name::CellName;
/// use verdikt_scenario::{attempt::Attempt, topology::{Endpoint, Protocol}};
///
/// let attempt = Attempt::Dns { name: "api.example.test".parse()?, protocol: Protocol::Udp };
/// let source = Endpoint::Pod("shop/cart".parse()?);
/// let name = CellName { scenario: "names", step: "locked/*", attempt: &attempt, source: &source };
/// assert_eq!(name.to_string(), r"names/locked\/\*/dns api.example.test/shop/cart");
/// # Ok::<(), verdikt_scenario::name::NameError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CellName<'a> {
    /// The scenario.
    pub scenario: &'a str,
    /// The step.
    pub step: &'a str,
    /// The attempt.
    pub attempt: &'a Attempt,
    /// The source.
    pub source: &'a Endpoint,
}

impl fmt::Display for CellName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        StepName { scenario: self.scenario, step: self.step }.fmt(f)?;
        f.write_char('/')?;
        part(f, Slashes::Kept, self.attempt)?;
        f.write_char('/')?;
        part(f, Slashes::Kept, self.source)
    }
}

/// How slashes in a part are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slashes {
    /// They belong to the part, as in `database/redis`.
    Kept,
    /// They would end the part.
    Escaped,
}

/// Writes one part of a name.
fn part(to: &mut dyn fmt::Write, slashes: Slashes, text: &dyn fmt::Display) -> fmt::Result {
    let mut part = NamePart { to, slashes, blank: Blank::NotAllowed };
    write!(part, "{text}")?;
    part.end()
}

/// A part being written.
struct NamePart<'a> {
    to: &'a mut dyn fmt::Write,
    slashes: Slashes,
    blank: Blank,
}

/// What a blank means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blank {
    /// It is the first character, or follows another blank.
    NotAllowed,
    /// It follows another character.
    Allowed,
    /// There is one, whose meaning depends on the next character.
    Waits,
}

const BLANK: &str = r"\u{20}";

impl fmt::Write for NamePart<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        if c == ' ' && self.blank == Blank::Allowed {
            self.blank = Blank::Waits;
            return Ok(());
        }
        if self.blank == Blank::Waits {
            self.to.write_char(' ')?;
        }
        self.blank = if c == ' ' { Blank::NotAllowed } else { Blank::Allowed };
        match c {
            ' ' => self.to.write_str(BLANK),
            '/' if self.slashes == Slashes::Kept => self.to.write_char(c),
            '/' | '*' | '\\' => write!(self.to, "\\{c}"),
            c if is_unseen(c) => write!(self.to, "{}", c.escape_default()),
            c => self.to.write_char(c),
        }
    }
}

impl NamePart<'_> {
    fn end(self) -> fmt::Result {
        if self.blank == Blank::Waits { self.to.write_str(BLANK) } else { Ok(()) }
    }
}

/// Whether a character does not show as itself: control characters, white space other than a blank, and characters
/// that have no width or change the direction of the text.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(scenario: &str, step: &str) -> String {
        StepName { scenario, step }.to_string()
    }

    #[test]
    fn parts_are_escaped() {
        let check = |step: &str, expected: &str| assert_eq!(named("s", step), format!("s/{expected}"));
        check("locked down", "locked down");
        check("a/b", r"a\/b");
        check("*", r"\*");
        check(r"a\b", r"a\\b");
        check("a  b", r"a \u{20}b");
        check("a   b", r"a \u{20}\u{20}b");
        check(" a ", r"\u{20}a\u{20}");
        check("  ", r"\u{20}\u{20}");
        check("a\nb\t\u{1b}[2J", r"a\nb\t\u{1b}[2J");
        check("a\u{202e}b\u{a0}c", r"a\u{202e}b\u{a0}c");
        check("é 表", "é 表");
    }

    #[test]
    fn different_steps_have_different_names() {
        assert_ne!(named("a/b", "c"), named("a", "b/c"));
        assert_ne!(named("a", " b"), named("a ", "b"));
        assert_ne!(named("a", r"\/b"), named("a", "/b"));
    }
}
