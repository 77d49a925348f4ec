//! The bytes of files: regular ones on a disk, and the streams that a command names.
//!
//! A path is checked before it is opened, because opening a device may have an effect. The opened file is checked
//! again, because the path may have been replaced in the meantime.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::text;
use crate::document::LARGEST_FILE;
use crate::lower::mistake::Mistake;

/// The name of the standard input in a command.
const STANDARD_INPUT: &str = "-";

/// The bytes of a regular file that is not too large. `canonical` is its true path without links, and `path` its
/// name.
pub(super) fn file(path: &Path, canonical: &Path) -> Result<Vec<u8>, Mistake> {
    let cannot = |error: &io::Error| text::cannot_read(path, error);
    let metadata = fs::symlink_metadata(canonical).map_err(|error| cannot(&error))?;
    let is_too_large = |bytes: u64| bytes > u64::try_from(LARGEST_FILE).unwrap_or(u64::MAX);
    if !metadata.is_file() {
        return Err(not_regular(path));
    }
    if is_too_large(metadata.len()) {
        return Err(text::too_large(path, Some(metadata.len())));
    }
    let file = open(canonical).map_err(|error| cannot(&error))?;
    let opened = file.metadata().map_err(|error| cannot(&error))?;
    if !opened.is_file() || is_made_up(&file) {
        return Err(not_regular(path));
    }
    contents(path, file)
}

/// Whether a path in a command is a stream: the standard input, or a pipe such as that of `<(…)`.
pub(super) fn is_stream(path: &Path) -> bool {
    let is_descriptor =
        || ["/dev/fd", "/proc/self/fd"].iter().any(|folder| path.parent() == Some(Path::new(folder)));
    path.as_os_str() == STANDARD_INPUT || path == Path::new("/dev/stdin") || is_descriptor() || is_pipe(path)
}

/// The name of a stream, as diagnostics show it.
pub(super) fn name_of_stream(path: &Path) -> String {
    if path.as_os_str() == STANDARD_INPUT { "<stdin>".to_owned() } else { text::display(path) }
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

/// The bytes of a stream that the command names: a pipe or the standard input.
pub(super) fn stream(path: &Path) -> Result<Vec<u8>, Mistake> {
    if path.as_os_str() == STANDARD_INPUT {
        return contents(path, io::stdin().lock());
    }
    let file = File::open(path).map_err(|error| text::cannot_read(path, &error))?;
    contents(path, file)
}

fn contents(path: &Path, from: impl Read) -> Result<Vec<u8>, Mistake> {
    let mut bytes = Vec::new();
    let most = u64::try_from(LARGEST_FILE).unwrap_or(u64::MAX);
    // It may grow while it is read.
    from.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| text::cannot_read(path, &error))?;
    if bytes.len() > LARGEST_FILE {
        return Err(text::too_large(path, None));
    }
    Ok(bytes)
}

fn not_regular(path: &Path) -> Mistake {
    Mistake::new(format!("`{}` is not a regular file", text::display(path)))
}

/// Opens a file without following a link, and without blocking.
#[cfg(target_os = "linux")]
fn open(canonical: &Path) -> io::Result<File> {
    use nix::errno::Errno;
    use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat2};
    use nix::sys::stat::Mode;
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    match openat2(AT_FDCWD, canonical, how) {
        // Kernels before 5.6 and some sandboxes do not support it.
        Err(Errno::ENOSYS | Errno::EPERM) => open(canonical, flags, Mode::empty()),
        opened => opened,
    }
    .map(File::from)
    .map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
fn open(canonical: &Path) -> io::Result<File> {
    File::open(canonical)
}

/// Whether a file is on no disk: the kernel generates its content, and reading may block or have an effect.
#[cfg(target_os = "linux")]
fn is_made_up(file: &File) -> bool {
    use nix::sys::statfs::{DEBUGFS_MAGIC, PROC_SUPER_MAGIC, SYSFS_MAGIC, TRACEFS_MAGIC, fstatfs};
    let made_up = [DEBUGFS_MAGIC, PROC_SUPER_MAGIC, SYSFS_MAGIC, TRACEFS_MAGIC];
    fstatfs(file).is_ok_and(|of| made_up.contains(&of.filesystem_type()))
}

#[cfg(not(target_os = "linux"))]
fn is_made_up(_: &File) -> bool {
    false
}
