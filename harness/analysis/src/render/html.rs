//! A matrix as a self-contained page: no scripts, no external content.

use super::MatrixView;
use crate::access::Access;
use crate::describe;

const STYLE: &str = "body{font:14px/1.4 system-ui,sans-serif;margin:2em}table{border-collapse:collapse}\
th,td{border:1px solid #ccc;padding:.2em .5em;vertical-align:top}th{background:#f4f4f4;text-align:left}\
thead th{position:sticky;top:0}tbody th{position:sticky;left:0}.all{background:#cfe8cf}.some{background:#e9f5e0}\
.proxy{background:#e0ecf8}.unknown{background:#fbeec0}.none{color:#999}";

/// The page.
pub fn html(shown: &MatrixView<'_>) -> String {
    let size = shown.matrix.classes.len();
    let names: Vec<String> = (0..size).map(|class| escaped(&shown.name(class, usize::MAX))).collect();
    let head = names.iter().map(|name| format!("<th>{name}</th>")).collect::<Vec<_>>().concat();
    let rows: Vec<String> = (0..size)
        .map(|from| {
            let cells: String = (0..size).map(|to| cell(shown, from, to)).collect();
            format!("<tr><th>{}</th>{cells}</tr>\n", names[from])
        })
        .collect();
    let rows = rows.concat();
    let title = escaped(&shown.head());
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\
         </head><body>\n<h1>Who reaches what</h1>\n<p>{title}. A row is a source, a column a destination.</p>\n\
         <table><thead><tr><th></th>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table>\n</body></html>\n"
    )
}

fn cell(shown: &MatrixView<'_>, from: usize, to: usize) -> String {
    let Some(profile) = shown.matrix.profile(from, to) else {
        return "<td class=\"none\" title=\"no policy can decide\"></td>".to_owned();
    };
    let any = |test: fn(&Access) -> bool| profile.iter().any(|(_, access)| test(access));
    let class = if any(|access| *access == Access::Unknown) {
        "unknown"
    } else if any(|access| matches!(access, Access::Proxy { .. })) {
        "proxy"
    } else if !any(|access| matches!(access, Access::Deny(_))) {
        "all"
    } else if any(Access::passes) {
        "some"
    } else {
        "none"
    };
    let text = describe::passing(profile).unwrap_or_else(|| "nothing".to_owned());
    format!("<td class=\"{class}\">{}</td>", escaped(&text))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
