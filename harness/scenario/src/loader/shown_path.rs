//! Paths as they are shown.

use std::path::{Component, Path, PathBuf};

/// A path as it is shown: without `./`.
pub(super) fn display(path: &Path) -> String {
    let parts: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    if parts.as_os_str().is_empty() { ".".to_owned() } else { parts.to_string_lossy().into_owned() }
}
