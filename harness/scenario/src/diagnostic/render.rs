//! Diagnostics as people read them: a title, the place, the line with a mark under it, and advice.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Severity, Sources};

/// The longest line that is shown whole, in characters; of a longer one, a piece around the place.
const LONGEST_LINE: usize = 160;

/// Draws diagnostics, sorted by place and each once, with an empty line between them. The text ends with a line
/// break unless there is nothing to draw.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort();
    sorted.dedup();
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(LONGEST_LINE + 40);
    let drawn: Vec<String> = sorted.iter().map(|diagnostic| draw(diagnostic, sources, &renderer)).collect();
    if drawn.is_empty() { String::new() } else { format!("{}\n", drawn.join("\n\n")) }
}

fn draw(diagnostic: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let Diagnostic { place, severity, code, message, help } = diagnostic;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut title = level.primary_title(plain(message));
    if let Some(code) = code {
        title = title.id(plain(code));
    }
    let number = usize::try_from(place.line).unwrap_or(usize::MAX).max(1);
    let column = usize::try_from(place.column).unwrap_or(usize::MAX).max(1);
    let origin = Origin::path(plain(&place.file));
    let excerpt = sources.line(place).map(|line| excerpt(line, column));
    let mut group = match (&excerpt, sources.text(&place.file)) {
        (Some(excerpt), _) => {
            let snippet = Snippet::source(excerpt.text.as_str())
                .line_start(number)
                .annotation(AnnotationKind::Primary.span(excerpt.mark.clone()));
            if excerpt.is_whole_before {
                title.element(snippet.path(plain(&place.file)))
            } else {
                // The column in the piece is not the column in the line.
                title.element(origin.line(number).char_column(column)).element(snippet)
            }
        }
        // The place is beyond the end of the file.
        (None, Some(_)) => title.element(origin.line(number).char_column(column)),
        // What concerns a file that was never read has no line.
        (None, None) => title.element(origin),
    };
    if let Some(help) = help {
        group = group.element(Level::HELP.message(plain(help)));
    }
    let drawn = renderer.render(&[group]);
    let lines: Vec<&str> = drawn.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// A piece of a line, and the bytes of it that are marked.
struct Excerpt {
    text: String,
    mark: Range<usize>,
    /// Whether the piece begins where the line begins, and reaches the place.
    is_whole_before: bool,
}

fn excerpt(line: &str, column: usize) -> Excerpt {
    let before = (column - 1).min(LONGEST_LINE / 2);
    let skipped = column - 1 - before;
    let cut_before = skipped > 0 && line.chars().nth(LONGEST_LINE).is_some();
    let skipped = if cut_before { skipped } else { 0 };
    let mut rest = line.chars().skip(skipped);
    let mut text = String::new();
    if cut_before {
        text.push_str("...");
    }
    let mut start = None;
    let mut end = None;
    let mut previous = ' ';
    let mut marked = Marked::default();
    for index in skipped + 1..=skipped + LONGEST_LINE {
        let Some(character) = rest.next() else { break };
        let character = if character.is_control() && character != '\t' { '\u{fffd}' } else { character };
        if index == column {
            start = Some(text.len());
        } else if start.is_some() && end.is_none() && marked.ends(previous, character) {
            end = Some(text.len());
        }
        if start.is_some() && end.is_none() {
            marked.take(character);
        }
        previous = character;
        text.push(character);
    }
    let length = text.len();
    let is_whole_before = !cut_before && start.is_some();
    let start = start.unwrap_or(length);
    let end = end.unwrap_or(length).max(start);
    let blank =
        text[start..end].chars().rev().take_while(|c| c.is_whitespace()).map(char::len_utf8).sum::<usize>();
    let end = end - blank;
    if rest.next().is_some() {
        text.push_str("...");
    }
    Excerpt { text, mark: start..end.max(start), is_whole_before }
}

/// How far the key or value goes that begins at a place.
#[derive(Default)]
struct Marked {
    first: Option<char>,
    closed: bool,
}

impl Marked {
    fn take(&mut self, character: char) {
        match self.first {
            None => self.first = Some(character),
            Some(quote @ ('"' | '\'')) if character == quote => self.closed = true,
            Some(_) => {}
        }
    }

    fn ends(&self, previous: char, next: char) -> bool {
        match self.first {
            Some('"' | '\'') => self.closed,
            Some('{' | '[') => true,
            _ => {
                matches!(next, ',' | ']' | '}')
                    || (previous == ':' && next.is_whitespace())
                    || (next == '#' && previous.is_whitespace())
            }
        }
    }
}

/// A text on one line, without characters that steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
