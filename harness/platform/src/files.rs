//! Files and their names.

use std::fs::{File, Metadata};
use std::io;
use std::path::PathBuf;

/// A path that can always be opened. Windows cannot open folders as files.
pub const ALWAYS_THERE: &str = if cfg!(windows) { "NUL" } else { "/" };

/// Gives a new file the owner and group of an old one.
#[cfg(unix)]
pub fn keep_owner(new: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    fchown(new, Some(old.uid()), Some(old.gid()))
}

/// Gives a new file the owner and group of an old one; does nothing, because files have none here.
#[cfg(not(unix))]
pub fn keep_owner(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// A path as another program has printed it.
#[cfg(unix)]
pub fn path_of_bytes(bytes: &[u8]) -> PathBuf {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// A path as another program has printed it: in UTF-8, as git does everywhere.
#[cfg(not(unix))]
pub fn path_of_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Whether an error says that a terminal is gone.
#[cfg(unix)]
pub fn is_hang_up(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::EIO as i32)
}

/// Whether an error says that a terminal is gone.
#[cfg(not(unix))]
pub fn is_hang_up(_: &io::Error) -> bool {
    false
}
