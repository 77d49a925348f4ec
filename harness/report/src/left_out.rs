//! The cells of a step that were left out, gathered by their reason.

use verdikt_scenario::plain::counted;
use verdikt_verdict::event::CellSkipped;

/// A line for each attempt that was left out, with the sources that would have made it and the reason:
/// `tcp shop/front:80 from office, client: no host outside reaches …`.
pub(crate) fn sentences<'a>(skipped: impl IntoIterator<Item = &'a CellSkipped>) -> Vec<String> {
    let mut groups: Vec<(&CellSkipped, Vec<String>)> = Vec::new();
    for cell in skipped {
        let source = cell.source.to_string();
        // The cells of a row stand side by side.
        match groups.last_mut() {
            Some((first, sources)) if first.attempt == cell.attempt && first.because == cell.because => {
                sources.push(source);
            }
            _ => groups.push((cell, vec![source])),
        }
    }
    let sentence = |(cell, sources): (&CellSkipped, Vec<String>)| {
        format!("{} from {}: {}", cell.attempt, sources.join(", "), cell.because)
    };
    groups.into_iter().map(sentence).collect()
}

/// `2 cells skipped`; none of none.
pub(crate) fn count(cells: usize) -> Option<String> {
    (cells > 0).then(|| format!("{} skipped", counted(cells, "cell")))
}

#[cfg(test)]
mod tests;
