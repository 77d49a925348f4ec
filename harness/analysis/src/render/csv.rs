//! A matrix as comma-separated values: a line for each interval between two groups that is not denied.

use super::MatrixView;
use crate::access::{Access, transport_word};
use crate::end::TrafficEnd;

/// The table as text, with a line of titles.
pub fn csv(shown: &MatrixView<'_>) -> String {
    let mut text = "from,to,protocol,first,last,verdict,proxy\n".to_owned();
    let names = |ends: &[TrafficEnd]| ends.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let classes = &shown.matrix.classes;
    for (from, source) in classes.iter().enumerate() {
        for (to, destination) in classes.iter().enumerate() {
            let Some(profile) = shown.matrix.profile(from, to) else { continue };
            for (interval, access) in profile.iter() {
                let word = match access {
                    Access::Deny(_) => continue,
                    Access::Allow => "allow",
                    Access::Proxy { .. } => "proxy",
                    Access::Unknown => "unknown",
                };
                let (first, last) = (interval.first.to_string(), interval.last.to_string());
                let fields = [
                    names(&source.ends),
                    names(&destination.ends),
                    transport_word(interval.transport),
                    first,
                    last,
                    word.to_owned(),
                    access.proxy_text().unwrap_or_default(),
                ];
                text += &fields.map(|field| quoted(&field)).join(",");
                text.push('\n');
            }
        }
    }
    text
}

/// A field, quoted if necessary. A text that a spreadsheet would take for a formula is escaped.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@']);
    let field = if formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r', ' ']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}
