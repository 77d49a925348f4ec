//! Writes the new text of a scenario file, unless the file has changed since it was read.

use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::files::{self, PathTarget};

/// The byte order mark that some editors write before UTF-8, and that the loader skips.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Replaces the text of a file.
pub(super) fn write(file: &str, read: &str, rewritten: &str) -> Result<(), Failure> {
    let path = Path::new(file);
    let failed = |error: &std::io::Error| Failure::file("rewrite", path, error);
    if !matches!(files::target(path).map_err(|error| failed(&error))?, PathTarget::File(_))
        || file == "<stdin>"
    {
        return Err(Failure::wrong(format!("cannot rewrite `{file}`: it is not a file"))
            .hint("name the scenario's file in place of a pipe"));
    }
    let bytes = fs::read(path).map_err(|error| failed(&error))?;
    let (mark, text) = match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(text) => (BYTE_ORDER_MARK, text),
        None => (&[][..], &bytes[..]),
    };
    if text != read.as_bytes() {
        return Err(Failure::wrong(format!(
            "cannot rewrite `{file}`: it was changed while the run was under way"
        ))
        .hint("run it again: what is written there was not run"));
    }
    let is_read_only = fs::metadata(path).map_err(|error| failed(&error))?.permissions().readonly();
    if is_read_only {
        return Err(Failure::wrong(format!("cannot rewrite `{file}`: it is read-only"))
            .hint("`--update --check` lists what would be rewritten"));
    }
    files::replace(path, &[mark, rewritten.as_bytes()].concat()).map_err(|error| failed(&error))
}
