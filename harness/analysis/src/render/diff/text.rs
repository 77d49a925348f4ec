//! A diff for a terminal.

use verdikt_scenario::plain::Plain;

use super::{DiffView, isolation, ports, reasons};
use crate::diff::{AccessChange, ChangeKind, RefusalChange, TrafficChange};
use crate::render::joined;

/// The diff as text.
pub fn text(shown: &DiffView<'_>) -> String {
    let diff = shown.diff;
    let mut lines =
        vec![format!("from {}", shown.titles[0]), format!("  to {}", shown.titles[1]), shown.summary()];
    for kind in ChangeKind::ALL {
        let changes: Vec<&TrafficChange> = diff.changes.iter().filter(|change| change.kind == kind).collect();
        if changes.is_empty() {
            continue;
        }
        lines.extend([String::new(), kind.to_string()]);
        for change in changes {
            lines.push(format!("  {}", shown.pairs(change)));
            lines.extend(change.flips.iter().flat_map(flip));
        }
    }
    if !diff.isolation.is_empty() {
        lines.extend([String::new(), "isolation".to_owned()]);
        lines
            .extend(diff.isolation.iter().map(|it| format!("  {}: {}", shown.ends(&it.ends), isolation(it))));
    }
    for (title, refusals) in [("refused now", &diff.refused), ("refused no longer", &diff.taken)] {
        if !refusals.is_empty() {
            lines.extend([String::new(), title.to_owned()]);
            lines.extend(refusals.iter().map(|refusal| format!("  {}", refusal_text(refusal))));
        }
    }
    for (title, ends) in [("new", &diff.appeared), ("gone", &diff.gone)] {
        if !ends.is_empty() {
            lines.extend([String::new(), title.to_owned(), format!("  {}", shown.ends(ends))]);
        }
    }
    joined(lines.iter().map(|line| indented(line)))
}

fn flip(flip: &AccessChange) -> Vec<String> {
    let mut lines = vec![format!("    {}: {} -> {}", ports(flip), flip.old, flip.new)];
    lines.extend(reasons(flip, |(old, _)| old).iter().map(|reason| format!("      was {reason}")));
    lines.extend(reasons(flip, |(_, new)| new).iter().map(|reason| format!("      now {reason}")));
    lines
}

/// The object, its place, and why it is refused.
pub(super) fn refusal_text(refusal: &RefusalChange) -> String {
    let RefusalChange { object, place, by, message } = refusal;
    format!("{object} {place}: {by}: {message}")
}

/// A line of safe text, with its indentation.
fn indented(line: &str) -> String {
    let indent = line.len() - line.trim_start_matches(' ').len();
    format!("{}{}", &line[..indent], Plain::line(line))
}
