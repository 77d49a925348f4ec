//! The regular expressions of policies: RE2 syntax, checked as the agent checks it and rewritten for the `regex`
//! crate.
//!
//! The two dialects differ in some points: a doubled repetition is a mistake, a brace that is no repetition is
//! literal, `\d`, `\s`, `\w` and `\b` are ASCII only, and a character class has no set operations.
//! <https://github.com/google/re2/wiki/Syntax>, <https://pkg.go.dev/regexp/syntax>

mod class;

use std::fmt::Write as _;

/// The largest number of repetitions, counting nested ones.
const MOST_REPETITIONS: u64 = 1000;

/// A mistake, in the agent's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    words: &'static str,
    /// The part of the expression that is wrong.
    part: String,
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error parsing regexp: {}: `{}`", self.words, self.part)
    }
}

fn error<T>(words: &'static str, part: &str) -> Result<T, SyntaxError> {
    Err(SyntaxError { words, part: part.to_owned() })
}

/// The same expression in the syntax of the `regex` crate, without captures.
pub(super) fn translate(expression: &str) -> Result<String, SyntaxError> {
    let mut writer = Writer { whole: expression, out: String::new(), levels: vec![OpenGroup::default()] };
    let mut rest = expression;
    let mut last_repetition = None;
    while let Some(first) = rest.chars().next() {
        let before = rest;
        let mut repetition = None;
        rest = match first {
            '(' if rest.starts_with("(?") => writer.special_group(rest)?,
            '(' => {
                writer.open("(?:");
                &rest[1..]
            }
            ')' => {
                writer.close()?;
                &rest[1..]
            }
            '|' => {
                writer.out.push('|');
                writer.level().atom = None;
                &rest[1..]
            }
            '^' | '$' | '.' => writer.atom(first.encode_utf8(&mut [0; 4]), &rest[1..]),
            '[' => {
                let (class, after) = class::bracketed(rest)?;
                writer.atom(&class, after)
            }
            '\\' => writer.escape(rest)?,
            '*' | '+' | '?' => {
                repetition = Some(before);
                writer.repeat(
                    before,
                    &rest[1..],
                    Count { least: 0, most: None, is_number: false },
                    last_repetition,
                )?
            }
            '{' => match count(rest) {
                Some((numbers, after)) => {
                    let Some(numbers) = numbers else {
                        return error("invalid repeat count", consumed(before, after));
                    };
                    repetition = Some(before);
                    writer.repeat(before, after, numbers, last_repetition)?
                }
                None => writer.atom(&literal('{'), &rest[1..]),
            },
            _ => writer.atom(&literal(first), &rest[first.len_utf8()..]),
        };
        last_repetition = repetition;
    }
    if writer.levels.len() > 1 {
        return error("missing closing )", expression);
    }
    Ok(writer.out)
}

/// The part of the expression that is rewritten.
struct Writer<'a> {
    whole: &'a str,
    out: String,
    /// The groups that are open, the outermost first; the first is the whole expression.
    levels: Vec<OpenGroup>,
}

/// A group that is open.
#[derive(Default)]
struct OpenGroup {
    /// Its start in the output.
    start: usize,
    /// The atom that a repetition would repeat.
    atom: Option<Atom>,
    /// The largest number of repetitions inside it.
    repetitions: u64,
}

/// A part that can be repeated, by its place in the output.
#[derive(Clone, Copy)]
struct Atom {
    start: usize,
    end: usize,
    /// Whether it is a repetition itself.
    repeated: bool,
    /// The largest number of repetitions inside it.
    repetitions: u64,
}

/// The number of repetitions.
#[derive(Clone, Copy)]
struct Count {
    least: u64,
    most: Option<u64>,
    /// Whether it is written as numbers.
    is_number: bool,
}

impl Writer<'_> {
    fn level(&mut self) -> &mut OpenGroup {
        self.levels.last_mut().expect("the whole expression is never closed")
    }

    fn open(&mut self, text: &str) {
        let start = self.out.len();
        self.out.push_str(text);
        self.levels.push(OpenGroup { start, ..OpenGroup::default() });
    }

    fn close(&mut self) -> Result<(), SyntaxError> {
        if self.levels.len() < 2 {
            return error("unexpected )", self.whole);
        }
        self.out.push(')');
        let closed = self.levels.pop().unwrap_or_default();
        self.set_atom(closed.start, closed.repetitions);
        Ok(())
    }

    /// Writes an atom that can be repeated, and returns the rest of the text.
    fn atom<'r>(&mut self, text: &str, rest: &'r str) -> &'r str {
        let start = self.out.len();
        self.out.push_str(text);
        self.set_atom(start, 1);
        rest
    }

    /// Makes the output since `start` the atom that may be repeated.
    fn set_atom(&mut self, start: usize, repetitions: u64) {
        let end = self.out.len();
        let level = self.level();
        level.repetitions = level.repetitions.max(repetitions);
        level.atom = Some(Atom { start, end, repeated: false, repetitions });
    }

    /// Repeats the atom before. `after` is the text after the operator. Returns the text after an optional question
    /// mark.
    fn repeat<'r>(
        &mut self,
        before: &'r str,
        after: &'r str,
        count: Count,
        last_repetition: Option<&str>,
    ) -> Result<&'r str, SyntaxError> {
        // A lazy repetition matches the same whole texts.
        let after = after.strip_prefix('?').unwrap_or(after);
        if let Some(last) = last_repetition {
            return error("invalid nested repetition operator", consumed(last, after));
        }
        let operator = consumed(before, after);
        let Some(atom) = self.level().atom else {
            return error("missing argument to repetition operator", operator);
        };
        let mut repetitions = atom.repetitions;
        if count.is_number {
            let most = count.most.unwrap_or(count.least);
            repetitions = if count.most == Some(0) { 1 } else { repetitions.saturating_mul(most.max(1)) };
            if most.max(count.least) >= 2 && repetitions > MOST_REPETITIONS {
                return error("invalid repeat count", operator);
            }
        }
        // Flags may stand between the atom and its repetition, and an empty quotation between two repetitions.
        let between = self.out.split_off(atom.end);
        if atom.repeated {
            self.out.insert_str(atom.start, "(?:");
            self.out.push(')');
        }
        self.out.push_str(operator.strip_suffix('?').filter(|rest| !rest.is_empty()).unwrap_or(operator));
        self.set_atom(atom.start, repetitions);
        if let Some(atom) = &mut self.level().atom {
            atom.repeated = true;
        }
        self.out.push_str(&between);
        Ok(after)
    }

    /// A group that starts with `(?`: named, with flags, or only flags.
    fn special_group<'r>(&mut self, text: &'r str) -> Result<&'r str, SyntaxError> {
        let named = text.strip_prefix("(?P<").or_else(|| text.strip_prefix("(?<"));
        if let Some(named) = named.filter(|named| !named.is_empty()) {
            let Some((name, after)) = named.split_once('>') else {
                return error("invalid named capture", text);
            };
            if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
                return error("invalid named capture", consumed(text, after));
            }
            self.open("(?:");
            return Ok(after);
        }
        let (mut on, mut off) = (String::new(), String::new());
        let mut negated = false;
        let mut rest = &text[2..];
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                'i' | 'm' | 's' | 'U' => {
                    on.retain(|flag| flag != c);
                    off.retain(|flag| flag != c);
                    if negated { &mut off } else { &mut on }.push(c);
                }
                '-' if !negated => negated = true,
                ':' | ')' if !negated || !off.is_empty() => {
                    let minus = if off.is_empty() { "" } else { "-" };
                    if c == ':' {
                        self.open(&format!("(?{on}{minus}{off}:"));
                    } else if !(on.is_empty() && off.is_empty()) {
                        let _ = write!(self.out, "(?{on}{minus}{off})");
                    }
                    return Ok(rest);
                }
                _ => break,
            }
        }
        error("invalid or unsupported Perl syntax", consumed(text, rest))
    }

    /// The text after a backslash, outside a class.
    fn escape<'r>(&mut self, text: &'r str) -> Result<&'r str, SyntaxError> {
        let after = text.get(2..).unwrap_or_default();
        match text.as_bytes().get(1) {
            Some(b'A') => return Ok(self.atom(r"\A", after)),
            Some(b'z') => return Ok(self.atom(r"\z", after)),
            Some(b'b') => return Ok(self.atom(r"(?-u:\b)", after)),
            Some(b'B') => return Ok(self.atom(r"(?-u:\B)", after)),
            Some(b'Q') => {
                let (quoted, rest) = after.split_once(r"\E").unwrap_or((after, ""));
                for c in quoted.chars() {
                    self.atom(&literal(c), rest);
                }
                return Ok(rest);
            }
            _ => {}
        }
        if let Some((class, rest)) = class::named(text)? {
            return Ok(self.atom(&format!("[{class}]"), rest));
        }
        let (c, rest) = class::escaped_character(text)?;
        Ok(self.atom(&literal(c), rest))
    }
}

/// The text up to what follows it.
fn consumed<'a>(text: &'a str, after: &str) -> &'a str {
    &text[..text.len() - after.len()]
}

/// A literal character.
fn literal(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!(r"\x{{{:X}}}", u32::from(c)) }
}

/// Reads `{2}`, `{2,}` or `{2,3}`; without numbers where they are out of range. None where the brace is literal.
fn count(text: &str) -> Option<(Option<Count>, &str)> {
    let (inside, after) = text.strip_prefix('{')?.split_once('}')?;
    let (least, most) = match inside.split_once(',') {
        None => (number(inside)?, Some(number(inside)?)),
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    let in_range = least.max(most.unwrap_or(0)) <= MOST_REPETITIONS && most.is_none_or(|most| least <= most);
    Some((in_range.then_some(Count { least, most, is_number: true }), after))
}

/// A number without leading zeros; one that is too large counts as the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let plain = digits && (text.len() == 1 || !text.starts_with('0'));
    plain.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
