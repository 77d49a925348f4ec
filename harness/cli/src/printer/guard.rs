//! Escapes everything in printed text that could control a terminal or a CI runner.
//!
//! Runners take commands from the output of a job. GitHub's parses every line that starts with `::` after white space,
//! and `##[` anywhere in one, whatever stands before it; Azure's takes `##vso[` and `TeamCity`'s `##teamcity[` likewise:
//! <https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs>.

use verdikt_scenario::plain::steers;

/// The most letters between `##` and `[` of a runner's command.
const LONGEST_WORD: usize = 16;

/// Whether the styles that verdikt itself writes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnStyles {
    Kept,
    /// Written as numbers, like those of others.
    Escaped,
}

/// Escapes text for people. Line ends stay; control characters become their numbers, and a backslash breaks commands.
pub(super) fn guard_text(text: &str, styles: OwnStyles) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        guard_line(line, styles, &mut out);
    }
    out
}

fn guard_line(line: &str, styles: OwnStyles, out: &mut String) {
    let (mut rest, mut before, mut at_start) = (line, None, true);
    while let Some(c) = rest.chars().next() {
        let style = if styles == OwnStyles::Kept && c == '\u{1b}' { style_length(rest) } else { None };
        if let Some(length) = style {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        if at_start && rest.starts_with("::") {
            out.push('\\');
        }
        match c {
            '\n' | '\t' => out.push(c),
            c if steers(c, before) => out.extend(c.escape_default()),
            c => out.push(c),
        }
        if is_command(rest) {
            out.push('\\');
        }
        at_start &= c.is_whitespace();
        before = Some(c);
        rest = &rest[c.len_utf8()..];
    }
}

/// Escapes JSON. Control characters occur only inside strings, whose escapes keep every value as it is.
pub(super) fn guard_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut rest, mut before, mut escaped) = (json, None, false);
    while let Some(c) = rest.chars().next() {
        if (c != '\n' && steers(c, before)) || escaped {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| out.extend(["\\u", &format!("{unit:04x}")]));
        } else {
            out.push(c);
        }
        escaped = is_command(rest);
        before = Some(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// Whether the text starts with a command of the kind `##word[`.
fn is_command(text: &str) -> bool {
    let Some(word) = text.strip_prefix("##") else { return false };
    let length = word.bytes().take(LONGEST_WORD).take_while(u8::is_ascii_alphanumeric).count();
    word[length..].starts_with('[')
}

/// The bytes of a style that verdikt writes, which the text starts with: bold, dim, underlined, or a colour in front that
/// can be seen.
fn style_length(text: &str) -> Option<usize> {
    let (numbers, _) = text.strip_prefix("\u{1b}[")?.split_once('m')?;
    let is_ours = |number: &str| {
        matches!(number, "" | "0" | "1" | "2" | "4" | "22" | "24" | "39")
            || matches!(number.as_bytes(), [b'3' | b'9', b'1'..=b'7'])
    };
    numbers.split(';').all(is_ours).then_some("\u{1b}[".len() + numbers.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::{OwnStyles, guard_json, guard_text};

    #[test]
    fn commands_of_runners_are_broken() {
        let check = |text: &str, expected: &str| {
            assert_eq!(guard_text(text, OwnStyles::Escaped), expected, "{text:?}");
        };
        check("::error::x\n", "\\::error::x\n");
        check("a\n \t\u{a0}::error file=x::y", "a\n \t\u{a0}\\::error file=x::y");
        check("a ::error::x\n", "a ::error::x\n");
        check("a ##[error]x ###[b ####[c", "a #\\#[error]x ##\\#[b ###\\#[c");
        check(
            "##vso[task.setvariable] ##teamcity[x] ## Title [1]",
            "#\\#vso[task.setvariable] #\\#teamcity[x] ## Title [1]",
        );
        check("2001:db8::1 to ::1\n", "2001:db8::1 to ::1\n");
    }

    /// Line ends that readers know and `\n` is not, and characters that some skip: nothing hides a command.
    #[test]
    fn commands_cannot_hide() {
        let check = |text: &str, expected: &str| {
            assert_eq!(guard_text(text, OwnStyles::Escaped), expected, "{text:?}");
        };
        check("a\r::error::x", r"a\r::error::x");
        check("a\u{85}::error::x", r"a\u{85}::error::x");
        check("a\u{2028}::error::x", r"a\u{2028}::error::x");
        check("\u{feff}::error::x", r"\u{feff}::error::x");
        check(":\u{200d}:error::x", r":\u{200d}:error::x");
        check("#\u{ad}#[error]x", r"#\u{ad}#[error]x");
        check("\u{1b}[1m::error::x", r"\u{1b}[1m::error::x");
    }

    #[test]
    fn only_styles_of_our_own_stay() {
        let check =
            |text: &str, expected: &str| assert_eq!(guard_text(text, OwnStyles::Kept), expected, "{text:?}");
        check("\u{1b}[1m\u{1b}[31ma\u{1b}[0m\u{1b}[1;92mb", "\u{1b}[1m\u{1b}[31ma\u{1b}[0m\u{1b}[1;92mb");
        check("\u{1b}[31m::error::x", "\u{1b}[31m\\::error::x");
        // Hidden, black, and on a ground of its own.
        check("\u{1b}[8ma\u{1b}[30mb\u{1b}[41mc", r"\u{1b}[8ma\u{1b}[30mb\u{1b}[41mc");
        check("\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}", r"\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}");
        assert_eq!(guard_text("\u{1b}[31ma", OwnStyles::Escaped), r"\u{1b}[31ma");
    }

    #[test]
    fn json_keeps_its_values() {
        let value = serde_json::json!({"a\u{202e}": ["##[error]x", "\u{e0041}\u{9b}\u{7f}", "表 ::x"]});
        for json in [value.to_string(), format!("{value:#}")] {
            let guarded = guard_json(&json);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&guarded).unwrap(), value);
            assert!(
                !guarded.contains("##[") && !guarded.contains(['\u{202e}', '\u{e0041}', '\u{9b}', '\u{7f}'])
            );
            assert!(guarded.contains("表"));
        }
    }
}
