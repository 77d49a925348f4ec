//! A matrix as a graph: groups are nodes, and traffic that passes between them edges.

use super::{MatrixView, joined};
use crate::describe;

/// The largest number of ends in the label of a node.
const MOST_NAMED: usize = 3;

/// The edges: source, destination, and what passes.
fn edges(shown: &MatrixView<'_>) -> Vec<(usize, usize, String)> {
    let size = shown.matrix.classes.len();
    let pairs = (0..size).flat_map(|from| (0..size).map(move |to| (from, to)));
    let edge = |(from, to): (usize, usize)| {
        // Traffic within a group is an edge only if the group has several pods.
        let alone = from == to && shown.matrix.classes[from].ends.len() < 2;
        let text = describe::passing(shown.matrix.profile(from, to)?)?;
        (!alone).then_some((from, to, text))
    };
    pairs.filter_map(edge).collect()
}

/// A Mermaid flowchart.
pub fn mermaid(shown: &MatrixView<'_>) -> String {
    let escaped = |text: &str| {
        text.chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || " .,:/*-()_+".contains(c) {
                    c.to_string()
                } else {
                    format!("#{};", u32::from(c))
                }
            })
            .collect::<String>()
    };
    let mut lines = vec!["flowchart LR".to_owned()];
    for class in 0..shown.matrix.classes.len() {
        lines.push(format!("  g{class}[\"{}\"]", escaped(&shown.name(class, MOST_NAMED))));
    }
    for (from, to, label) in edges(shown) {
        lines.push(format!("  g{from} -->|\"{}\"| g{to}", escaped(&label)));
    }
    joined(lines)
}

/// A Graphviz graph.
pub fn dot(shown: &MatrixView<'_>) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ");
    let mut lines = ["digraph reach {", "  rankdir=LR;", "  node [shape=box];"].map(str::to_owned).to_vec();
    for class in 0..shown.matrix.classes.len() {
        lines.push(format!("  g{class} [label=\"{}\"];", escaped(&shown.name(class, MOST_NAMED))));
    }
    for (from, to, label) in edges(shown) {
        lines.push(format!("  g{from} -> g{to} [label=\"{}\"];", escaped(&label)));
    }
    lines.push("}".to_owned());
    joined(lines)
}
