//! Messages about files: how names are shown, and why a file cannot be read.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::decode::{DecodedText, SAVE_AS_UTF8};
pub(super) use super::shown_path::display;
use crate::diagnostic::Diagnostic;
use crate::document::{DocumentError, LARGEST_FILE, YamlNode, refused_directive, refused_tab};
use crate::lower::mistake::Mistake;
use crate::place::{Place, Position};

/// A path without `x/../`.
pub(super) fn without_detours(path: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for part in path.components() {
        match (part, short.components().next_back()) {
            (Component::ParentDir, Some(Component::Normal(_))) => drop(short.pop()),
            (Component::CurDir, _) => {}
            _ => short.push(part),
        }
    }
    short
}

/// Why a path cannot be read.
pub(super) fn cannot_read(path: &Path, error: &io::Error) -> Mistake {
    let path = display(path);
    match error.kind() {
        io::ErrorKind::NotFound => Mistake::new(format!("there is no file or folder `{path}`")),
        io::ErrorKind::PermissionDenied => Mistake::new(format!("`{path}` may not be read"))
            .help("give this user the right to read it".to_owned()),
        io::ErrorKind::NotADirectory => Mistake::new(format!("there is no folder `{path}`")),
        _ => Mistake::new(format!("`{path}` cannot be read: {error}")),
    }
}

/// A file beyond the limit, with its size if that is known.
pub(super) fn too_large(path: &Path, bytes: Option<u64>) -> Mistake {
    let limit = LARGEST_FILE >> 20;
    let size = bytes.map(|bytes| format!(": {} MiB", bytes >> 20)).unwrap_or_default();
    let message =
        format!("`{}` is too large{size}, and {limit} MiB are the most verdikt reads", display(path));
    Mistake::new(message).help("split it into several files".to_owned())
}

/// What to do about a tab that indents.
pub(super) const NO_TABS: &str = "indent with spaces: YAML takes no tabs there";

/// The tab that indents a line and makes a text invalid YAML from a place on: in that line or the next one.
pub(super) fn tab(text: &str, position: Position) -> Option<Position> {
    let line = usize::try_from(position.line).ok()?.checked_sub(1)?;
    let lines = (position.line..).zip(text.lines().skip(line)).take(2);
    let mut tabs = lines.filter_map(|(line, text)| {
        let blanks = text.len() - text.trim_start_matches(' ').len();
        let column = u32::try_from(blanks).unwrap_or(u32::MAX).saturating_add(1);
        text[blanks..].starts_with('\t').then_some(Position { line, column })
    });
    tabs.next()
}

/// A warning about documents that are not read.
pub(super) fn unread(place: Place) -> Diagnostic {
    let message = "nothing is read from here to the next `---`: kubectl stops at `...`";
    Diagnostic::warning(place, "unread", message).help("write `---` in place of `...` to separate documents")
}

/// Why valid YAML is refused: by kubectl, or because a scenario is not UTF-8.
pub(super) fn refused(documents: &[YamlNode], decoded: &DecodedText) -> Option<DocumentError> {
    if documents.first().is_some_and(is_scenario) {
        return decoded.not_utf8.map(|position| DocumentError {
            message: "the scenario is not UTF-8".to_owned(),
            help: Some(SAVE_AS_UTF8.into()),
            position,
        });
    }
    let text = &decoded.text;
    let refused = |why: &str, help: &'static str, position| DocumentError {
        message: format!("kubectl refuses the whole file: {why}"),
        help: Some(help.into()),
        position,
    };
    let tab = || {
        refused_tab(text).map(|position| {
            refused(
                "found character that cannot start any token",
                "remove the tab from this blank line",
                position,
            )
        })
    };
    refused_directive(text)
        .map(|position| refused("it cuts a directive off from its document", "take this line out", position))
        .or_else(tab)
}

/// Whether a document is a scenario, or was meant to be one.
pub(super) fn is_scenario(document: &YamlNode) -> bool {
    let has = |key: &str| document.entries().iter().any(|entry| entry.key == key);
    let is_object = has("apiVersion") || has("kind");
    // A misspelt first word, beside words that only scenarios have.
    let meant = || document.entries().iter().any(|entry| strsim::osa_distance(&entry.key, "scenario") <= 2);
    has("scenario") || (has("steps") && !is_object && (has("topology") || meant()))
}
