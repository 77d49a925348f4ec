//! Words about files: names as they are shown, and why one cannot be read.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::document::LARGEST_FILE;
use crate::lower::mistake::Mistake;
use crate::place::Position;

/// A path as it is shown: without `./`.
pub(super) fn display(path: &Path) -> String {
    let parts: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    if parts.as_os_str().is_empty() { ".".to_owned() } else { parts.to_string_lossy().into_owned() }
}

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

/// A file beyond the limit.
pub(super) fn too_large(path: &Path, bytes: u64) -> Mistake {
    let limit = LARGEST_FILE >> 20;
    let megabytes = bytes >> 20;
    Mistake::new(format!(
        "`{}` is too large: {megabytes} MiB, and {limit} MiB are the most verdikt reads",
        display(path)
    ))
}

/// The text of a file: UTF-8, without a byte order mark.
pub(super) fn decode(path: &Path, bytes: Vec<u8>) -> Result<String, Mistake> {
    if bytes.contains(&0) {
        return Err(Mistake::new(format!("`{}` is a binary file", display(path))));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].split(|byte| *byte == b'\n').count();
        Mistake::new(format!("`{}` is not UTF-8 text, from line {line} on", display(path)))
            .help("save it as UTF-8".to_owned())
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// What the parser says, in words for authors where it speaks of its own limits.
pub(super) fn in_words(message: &str) -> String {
    if message.starts_with("budget breached: Depth") || message.starts_with("recursion limit") {
        "the values are nested too deeply to be a scenario or a policy".to_owned()
    } else if message.starts_with("budget breached") {
        "the file grows beyond what verdikt reads: too many values, aliases or documents".to_owned()
    } else {
        message.to_owned()
    }
}

/// What to do about a text that is no YAML.
pub(super) fn advice(message: &str, text: &str, position: Position) -> Option<String> {
    let line = usize::try_from(position.line).ok()?.checked_sub(1)?;
    let mut lines = text.lines().skip(line.saturating_sub(1)).take(2);
    if lines.any(|line| line.trim_start_matches(' ').starts_with('\t')) {
        return Some("indent with spaces: YAML takes no tabs there".to_owned());
    }
    message.contains("duplicate").then(|| "keep one of them".to_owned())
}
