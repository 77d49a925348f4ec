//! A diff for the comment on a pull request.

use std::fmt::Write as _;

use super::text::refusal_text;
use super::{DiffView, isolation, ports, reasons};
use crate::diff::{ChangeKind, TrafficChange};

/// The largest number of changes of a kind that are listed.
const MOST_CHANGES: usize = 50;

/// The diff as Markdown.
pub fn markdown(shown: &DiffView<'_>) -> String {
    let diff = shown.diff;
    let mut text = format!(
        "### What changes: {}\n\nFrom {} to {}.\n",
        escaped(&shown.summary()),
        escaped(shown.titles[0]),
        escaped(shown.titles[1])
    );
    for kind in ChangeKind::ALL {
        let changes: Vec<&TrafficChange> = diff.changes.iter().filter(|change| change.kind == kind).collect();
        if changes.is_empty() {
            continue;
        }
        let _ = write!(
            text,
            "\n#### {}\n\n| from | to | traffic | was | now |\n|---|---|---|---|---|\n",
            capital(&kind.to_string())
        );
        for change in changes.iter().take(MOST_CHANGES) {
            text += &rows(shown, change);
        }
        if let Some(more) = changes.len().checked_sub(MOST_CHANGES).filter(|more| *more > 0) {
            let _ = write!(text, "\n{more} more are in the other formats.\n");
        }
    }
    let mut list = |title: &str, items: Vec<String>| {
        if !items.is_empty() {
            let _ = write!(text, "\n#### {title}\n\n");
            text.extend(items.iter().map(|item| format!("- {}\n", escaped(item))));
        }
    };
    let isolated = diff.isolation.iter();
    list("Isolation", isolated.map(|it| format!("{}: {}", shown.ends(&it.ends), isolation(it))).collect());
    list("Refused now", diff.refused.iter().map(refusal_text).collect());
    list("Refused no longer", diff.taken.iter().map(refusal_text).collect());
    let some = |ends: &[_]| if ends.is_empty() { Vec::new() } else { vec![shown.ends(ends)] };
    list("New", some(&diff.appeared));
    list("Gone", some(&diff.gone));
    text
}

fn rows(shown: &DiffView<'_>, change: &TrafficChange) -> String {
    let cells = change.flips.iter().map(|flip| {
        let with_reasons = |access: String, reasons: Vec<String>| {
            let lines = reasons.iter().map(|reason| format!("<br>{}", escaped(reason)));
            format!("**{}**{}", escaped(&access), lines.collect::<String>())
        };
        format!(
            "| {} | {} | {} | {} | {} |\n",
            escaped(&shown.ends(&change.sources)),
            escaped(&shown.ends(&change.destinations)),
            escaped(&ports(flip)),
            with_reasons(flip.old.to_string(), reasons(flip, |(old, _)| old)),
            with_reasons(flip.new.to_string(), reasons(flip, |(_, new)| new)),
        )
    });
    cells.collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Escapes a text so that it is neither markup nor a mention.
fn escaped(text: &str) -> String {
    let plain = verdikt_scenario::plain::Plain::line(text);
    let mut escaped = String::new();
    for c in plain.as_str().chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '@' => escaped.push_str("&#64;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}
