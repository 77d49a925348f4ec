//! Foreign text that is safe to print: it cannot control a terminal or deceive its reader.

use std::fmt;

/// A number with its noun: `1 cell`, `2 cells`.
pub fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// One line of text without control or invisible characters: each is written as its number, as in `\u{202e}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Plain(String);

impl Plain {
    /// Escapes a text. Line ends and tabs become spaces; white space around it is removed.
    pub fn line(text: &str) -> Self {
        let mut line = String::with_capacity(text.len());
        let mut before = None;
        for c in text.trim().chars() {
            match c {
                '\n' | '\r' | '\t' => line.push(' '),
                c if steers(c, before) => line.extend(c.escape_default()),
                c => line.push(c),
            }
            before = Some(c);
        }
        Self(line)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<Plain> for String {
    fn from(plain: Plain) -> Self {
        plain.0
    }
}

/// Whether a character controls what shows it instead of being shown: control characters, line and paragraph
/// separators, characters that change the direction of writing, and invisible ones.
///
/// Joiners and variation selectors belong to the letters and signs of some scripts; after any other character they
/// deceive.
pub fn steers(c: char, before: Option<char>) -> bool {
    match c {
        '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' => before.is_none_or(|before| before.is_ascii()),
        // https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point, and the separators of lines.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::Plain;

    #[test]
    fn what_steers_is_written_as_its_number() {
        let check = |text: &str, expected: &str| assert_eq!(Plain::line(text).as_str(), expected);
        check(" tcp a/b:80 ", "tcp a/b:80");
        check("a\u{1b}[2Jb\nc\r\td", r"a\u{1b}[2Jb c  d");
        check("a\u{9b}31m\u{7f}", r"a\u{9b}31m\u{7f}");
        check("a\u{202e}b\u{2066}c\u{200f}", r"a\u{202e}b\u{2066}c\u{200f}");
        check("a\u{2028}b\u{feff}c\u{e0041}", r"a\u{2028}b\u{feff}c\u{e0041}");
        check("#\u{ad}#\u{200d}[", r"#\u{ad}#\u{200d}[");
    }

    #[test]
    fn letters_and_signs_of_all_scripts_stay() {
        for text in ["表 données Ελλάδα", "می\u{200c}خواهم", "👩\u{200d}💻", "⚠\u{fe0f}"]
        {
            assert_eq!(Plain::line(text).as_str(), text);
        }
    }
}
