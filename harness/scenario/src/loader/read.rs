//! The bytes of files: regular ones on a disk, and the streams that a command names.
//!
//! A name is looked at before it is opened, because opening a device may do something; and what was opened is looked
//! at again, because the name may have become another's meanwhile.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::text;
use crate::document::LARGEST_FILE;
use crate::lower::mistake::Mistake;

/// How a command names the standard input.
const STANDARD_INPUT: &str = "-";

/// The bytes of a regular file that is not too large; `canonical` is where it is, without links, and `path` its name.
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

/// Whether a path is a stream where the command names it: the standard input, or a pipe such as that of `<(…)`.
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

/// The bytes of a stream that the command names: a pipe, or whatever the standard input is.
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

/// Opens a file without following a link and without waiting for anyone.
#[cfg(target_os = "linux")]
fn open(canonical: &Path) -> io::Result<File> {
    use nix::errno::Errno;
    use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat2};
    use nix::sys::stat::Mode;
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    match openat2(AT_FDCWD, canonical, how) {
        // Kernels before 5.6 and some sandboxes do not have it.
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

/// Whether a file lies on no disk: the kernel makes up what is in it, and reading may wait or do something.
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
