//! Comments that allow a warning at their line, with a reason: `# verdikt: allow egress-cuts-dns because it is asked by
//! address`.

use std::collections::BTreeMap;

use super::{Diagnostic, Severity, SourceTexts};
use crate::place::Position;

/// The start of such a comment.
const BEGIN: &str = "# verdikt: allow ";
/// What separates the code from its reason.
const BECAUSE: &str = " because ";

const NO_REASON: &str = "allow-without-reason";

/// The codes that a comment allows at a line, by file and line.
type Allowed<'a> = BTreeMap<(&'a str, u32), Vec<&'a str>>;

/// Removes the warnings and hints that a comment allows, at the end of their line or on its own lines above it, and
/// warns about comments without a reason. Returns how many were removed.
///
/// ```
/// use verdikt_scenario::diagnostic::{Diagnostic, SourceTexts, take_allowed};
/// use verdikt_scenario::place::Position;
///
/// let mut sources = SourceTexts::default();
/// sources.add(&"p.yaml".into(), &"spec: {}  # verdikt: allow ignored because it is a sketch\n".into());
/// let place = Position { line: 1, column: 1 }.in_file(&"p.yaml".into());
/// let mut diagnostics = vec![Diagnostic::warning(place, "ignored", "nothing of this counts")];
/// assert_eq!(take_allowed(&mut diagnostics, &sources), 1);
/// assert!(diagnostics.is_empty());
/// ```
pub fn take_allowed(diagnostics: &mut Vec<Diagnostic>, sources: &SourceTexts) -> usize {
    let mut allowed = Allowed::new();
    let mut without_reason = Vec::new();
    for (file, text) in sources.texts.iter().filter(|(_, text)| text.contains(BEGIN)) {
        read(file, text, &mut allowed, |line, column| {
            let place = Position { line, column }.in_file(file);
            let warning =
                Diagnostic::warning(place, NO_REASON, "this comment allows nothing: it gives no reason");
            without_reason.push(warning.help("write `# verdikt: allow CODE because WHY`"));
        });
    }
    let before = diagnostics.len();
    diagnostics.retain(|diagnostic| {
        let codes = allowed.get(&(&*diagnostic.place.file, diagnostic.place.line));
        let is_allowed = |code: &str| codes.is_some_and(|codes| codes.contains(&code));
        diagnostic.severity == Severity::Error || !diagnostic.code.as_deref().is_some_and(is_allowed)
    });
    let taken = before - diagnostics.len();
    diagnostics.append(&mut without_reason);
    taken
}

/// Reads the comments of a text.
fn read<'a>(
    file: &'a str,
    text: &'a str,
    allowed: &mut Allowed<'a>,
    mut without_reason: impl FnMut(u32, u32),
) {
    // The codes of the comments above the current line.
    let mut above: Vec<&str> = Vec::new();
    for (line, number) in text.lines().zip(1_u32..) {
        let comment = line.find(BEGIN);
        let code = comment.and_then(|start| {
            let said = &line[start + BEGIN.len()..];
            let code =
                said.split_once(BECAUSE).filter(|(_, why)| !why.trim().is_empty()).map(|(code, _)| code);
            if code.is_none() {
                let column = line[..start].chars().count() + 1;
                without_reason(number, u32::try_from(column).unwrap_or(u32::MAX));
            }
            code
        });
        above.extend(code.map(str::trim));
        if line.trim_start().starts_with('#') {
            continue;
        }
        if !above.is_empty() {
            allowed.insert((file, number), std::mem::take(&mut above));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes that remain of one warning a line.
    fn left(text: &str) -> String {
        let mut sources = SourceTexts::default();
        let file = "p.yaml".into();
        sources.add(&file, &text.into());
        let lines = (1..).take(text.lines().count());
        let warning = |line| Diagnostic::warning(Position { line, column: 1 }.in_file(&file), "covered", "");
        let mut diagnostics: Vec<Diagnostic> = lines.map(warning).collect();
        take_allowed(&mut diagnostics, &sources);
        let shown =
            diagnostics.iter().map(|d| format!("{} {}", d.place.line, d.code.as_deref().unwrap_or("-")));
        shown.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_comment_allows_what_its_line_causes() {
        let check = |text: &str, expected: &str| assert_eq!(left(text), expected, "{text}");
        check("a: 1\nb: 2 # verdikt: allow covered because both are meant\nc: 3", "1 covered, 3 covered");
        check(
            "# verdikt: allow covered because\n#   two teams write here\na: 1",
            "1 covered, 2 covered, 3 covered, 1 allow-without-reason",
        );
        check(
            "# verdikt: allow covered because two\n# teams write here\na: 1\nb: 2",
            "1 covered, 2 covered, 4 covered",
        );
        check("a: 1 # verdikt: allow ignored because it is a sketch", "1 covered");
        check("a: 1 # verdikt: allow covered", "1 covered, 1 allow-without-reason");
    }

    #[test]
    fn mistakes_are_never_allowed() {
        let mut sources = SourceTexts::default();
        let file = "p.yaml".into();
        sources.add(&file, &"a: 1 # verdikt: allow covered because I say so".into());
        let mut diagnostics =
            vec![Diagnostic::error(Position { line: 1, column: 1 }.in_file(&file), "wrong")];
        assert_eq!(take_allowed(&mut diagnostics, &sources), 0);
        assert_eq!(diagnostics.len(), 1);
    }
}
