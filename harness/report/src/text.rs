//! Widths, wrapping and quoting of plain text.

use unicode_width::UnicodeWidthStr;
use verdikt_scenario::plain::Plain;

/// How many columns of a terminal the text takes.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Text of others in one line, as it is shown: see [`Plain`].
pub(crate) fn plain(text: &str) -> String {
    Plain::line(text).into()
}

/// Breaks a text at its spaces into lines of at most `limit` columns; longer words stay whole.
pub fn wrap(text: &str, limit: usize) -> Vec<String> {
    broken(text, limit, LongWord::Whole)
}

/// Breaks a text into lines of at most `limit` columns: at spaces, in a long word after a slash or the like, and anywhere
/// where that does not help.
pub(crate) fn fold(text: &str, limit: usize) -> Vec<String> {
    broken(text, limit, LongWord::Broken)
}

/// How a word that is longer than a line is broken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LongWord {
    Whole,
    Broken,
}

fn broken(text: &str, limit: usize, long: LongWord) -> Vec<String> {
    let mut lines = WrappedLines { limit, done: Vec::new(), line: String::new() };
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        lines.space_for(word);
        if long == LongWord::Whole {
            lines.line.push_str(word);
            continue;
        }
        for piece in word.split_inclusive(['/', '-', '.', '?', '&']) {
            if width(piece) <= limit {
                lines.push(piece);
            } else {
                let mut bytes = [0; 4];
                piece.chars().for_each(|c| lines.push(c.encode_utf8(&mut bytes)));
            }
        }
    }
    lines.end();
    lines.done
}

struct WrappedLines {
    limit: usize,
    done: Vec<String>,
    line: String,
}

impl WrappedLines {
    fn space_for(&mut self, word: &str) {
        if self.line.is_empty() {
            return;
        }
        if width(&self.line) + 1 + width(word) > self.limit {
            self.end();
        } else {
            self.line.push(' ');
        }
    }

    fn push(&mut self, piece: &str) {
        if !self.line.is_empty() && width(&self.line) + width(piece) > self.limit {
            self.end();
        }
        self.line.push_str(piece);
    }

    fn end(&mut self) {
        if !self.line.is_empty() {
            self.done.push(std::mem::take(&mut self.line));
        }
    }
}

/// The text with spaces up to a width.
pub(crate) fn pad(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// One word of a POSIX shell's command line.
pub(crate) fn shell_quote(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The command that runs scenario files: on a cluster, if one is named as `--on` takes it.
pub fn run_command(cluster: Option<&str>) -> String {
    let on = cluster.map(|cluster| format!(" --on {}", shell_quote(cluster)));
    format!("verdikt run{}", on.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_to_their_limit() {
        let check =
            |text: &str, limit: usize, expected: &[&str]| assert_eq!(fold(text, limit), expected, "{text}");
        check("", 5, &[]);
        check("tcp a/b:80", 20, &["tcp a/b:80"]);
        check("tcp a/b:80", 6, &["tcp", "a/b:80"]);
        check("http GET shop/store:80/public", 12, &["http GET", "shop/", "store:80/", "public"]);
        check("abcdefgh", 3, &["abc", "def", "gh"]);
        check("a b c", 1, &["a", "b", "c"]);
        check("表表表", 4, &["表表", "表"]);
        assert_eq!(wrap("see policies/a.yaml for more", 9), ["see", "policies/a.yaml", "for more"]);
    }

    #[test]
    fn words_for_a_shell() {
        let check = |word: &str, expected: &str| assert_eq!(shell_quote(word), expected);
        check("scenarios/a.yaml", "scenarios/a.yaml");
        check("", "''");
        check("a b", "'a b'");
        check("it's", r"'it'\''s'");
        check("$(x)", "'$(x)'");
        check("~a", "'~a'");
    }
}
