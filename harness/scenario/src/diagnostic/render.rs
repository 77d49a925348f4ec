//! Draws diagnostics for people: a title, the place, the line with a mark under it, and advice.

mod lines;

use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use self::lines::TextLines;
use super::{Diagnostic, Severity, SourceTexts};
use crate::plain::{Plain, steers};

/// The longest line that is shown whole, in characters; of a longer line, a piece around the place is shown.
const LONGEST_LINE: usize = 160;

/// The longest message that is shown whole, in characters.
const LONGEST_MESSAGE: usize = 600;

/// The largest number of diagnostics that are drawn; the others are counted.
const MOST_DRAWN: usize = 100;

/// Draws diagnostics, sorted by place and each once, with an empty line between them. Of very many, the first
/// mistakes are drawn, and then the first warnings. The text ends with a line break unless it is empty.
pub fn render(diagnostics: &[Diagnostic], sources: &SourceTexts) -> String {
    render_in(diagnostics, sources, RenderStyle { colour: false, width: usize::MAX })
}

/// How diagnostics look.
#[derive(Clone, Copy, Debug)]
pub struct RenderStyle {
    /// Whether there are colours.
    pub colour: bool,
    /// The width to which messages and advice are wrapped.
    pub width: usize,
}

/// The same in a given style.
pub fn render_in(diagnostics: &[Diagnostic], sources: &SourceTexts, style: RenderStyle) -> String {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort();
    sorted.dedup();
    let more = cut(&mut sorted);
    let renderer = if style.colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(LONGEST_LINE + 40);
    let mut files = BTreeMap::new();
    let mut drawn: Vec<String> = Vec::new();
    for diagnostic in sorted {
        let file: &str = &diagnostic.place.file;
        let lines = files.entry(file).or_insert_with(|| sources.text(file).map(TextLines::of));
        let rendered_from = sources.origin(&diagnostic.place);
        drawn.push(draw(diagnostic, lines.as_mut(), rendered_from, &renderer, style.width));
    }
    drawn.extend(more);
    if drawn.is_empty() { String::new() } else { format!("{}\n", drawn.join("\n\n")) }
}

/// Keeps what is drawn, and says how much is left out.
fn cut(sorted: &mut Vec<&Diagnostic>) -> Option<String> {
    if sorted.len() <= MOST_DRAWN {
        return None;
    }
    let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
    let errors = sorted.iter().filter(|diagnostic| is_error(diagnostic)).count();
    let (mut errors_left, mut warnings_left) = (MOST_DRAWN, MOST_DRAWN.saturating_sub(errors));
    let (mut more_errors, mut more_warnings) = (0_usize, 0_usize);
    sorted.retain(|diagnostic| {
        let (left, more) = match diagnostic.severity {
            Severity::Error => (&mut errors_left, &mut more_errors),
            Severity::Warning | Severity::Hint => (&mut warnings_left, &mut more_warnings),
        };
        let is_drawn = *left > 0;
        *left = left.saturating_sub(1);
        *more += usize::from(!is_drawn);
        is_drawn
    });
    let counted = |count: usize, noun: &str| match count {
        0 => None,
        1 => Some(format!("1 more {noun}")),
        count => Some(format!("{count} more {noun}s")),
    };
    let more: Vec<String> =
        counted(more_errors, "mistake").into_iter().chain(counted(more_warnings, "warning")).collect();
    Some(format!("and {}, which are not shown: correct those above first", more.join(" and ")))
}

fn draw(
    diagnostic: &Diagnostic,
    lines: Option<&mut TextLines<'_>>,
    rendered_from: Option<&str>,
    renderer: &Renderer,
    width: usize,
) -> String {
    let Diagnostic { place, severity, code, message, help } = diagnostic;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Hint => Level::INFO.with_name("hint"),
    };
    // `warning[code]: ` stands before the message, and its further lines below that.
    let label = "warning[]: ".len() + code.as_ref().map_or(0, String::len);
    let mut title = level.primary_title(wrapped(&short(message), width.saturating_sub(label)));
    if let Some(code) = code {
        title = title.id(plain(code));
    }
    let number = usize::try_from(place.line).unwrap_or(usize::MAX).max(1);
    let column = usize::try_from(place.column).unwrap_or(usize::MAX).max(1);
    let origin = Origin::path(plain(&place.file));
    let is_read = lines.is_some();
    let excerpt = lines.and_then(|lines| excerpt(lines, number, column));
    let mut group = match &excerpt {
        Some(excerpt) => {
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
        None if is_read => title.element(origin.line(number).char_column(column)),
        // A diagnostic about a file that was never read has no line.
        None => title.element(origin),
    };
    if let Some(help) = help {
        let label = number.to_string().len() + " = help: ".len();
        group = group.element(Level::HELP.message(wrapped(&short(help), width.saturating_sub(label))));
    }
    if let Some(file) = rendered_from {
        group = group.element(Level::NOTE.message(format!("this is rendered from `{}`", short(file))));
    }
    let drawn = renderer.render(&[group]);
    let lines: Vec<&str> = drawn.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// Wraps a text at its spaces to a number of characters; longer words stay whole.
fn wrapped(text: &str, width: usize) -> String {
    let (mut out, mut used) = (String::with_capacity(text.len()), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            out.push('\n');
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out
}

/// A piece of a line, and the bytes of it that are marked.
struct Excerpt {
    text: String,
    mark: Range<usize>,
    /// Whether the piece starts at the start of the line, and reaches the place.
    is_whole_before: bool,
}

/// The piece of a line around a column; none if there is no such line.
fn excerpt(lines: &mut TextLines<'_>, number: usize, column: usize) -> Option<Excerpt> {
    let line = lines.line(number)?;
    let before = (column - 1).min(LONGEST_LINE / 2);
    let skipped = column - 1 - before;
    let cut_before = skipped > 0 && line.chars().nth(LONGEST_LINE).is_some();
    let skipped = if cut_before { skipped } else { 0 };
    let mut rest = lines.from(number, skipped).chars();
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
        let steers = character != '\t' && steers(character, Some(previous));
        let character = if steers { '\u{fffd}' } else { character };
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
    Some(Excerpt { text, mark: start..end.max(start), is_whole_before })
}

/// The end of the key or value that starts at a place.
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

/// A message on one line. A very long one is cut, because it may quote a whole file.
fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        None => plain(text),
        Some((end, _)) => plain(&text[..end]) + "...",
    }
}

/// Foreign text in one line: see [`Plain`].
fn plain(text: &str) -> String {
    Plain::line(text).into()
}

#[cfg(test)]
mod tests;
