//! Archives that depend on nothing but their files, and their checksums.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

/// What a file of an archive may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Text,
    Program,
}

/// What stands under a path of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArchiveEntry {
    File(Mode, Vec<u8>),
    /// A link to a file beside it.
    Link(&'static str),
}

/// A `.tar.gz` of these entries below one folder: no times, no owners, in the order given.
pub(crate) fn tar_gz(folder: &str, entries: &[(String, ArchiveEntry)]) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, entry) in entries {
        let path = format!("{folder}/{path}");
        let mut header = tar::Header::new_ustar();
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        match entry {
            ArchiveEntry::File(mode, bytes) => {
                header.set_mode(if *mode == Mode::Program { 0o755 } else { 0o644 });
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, path, bytes.as_slice())?;
            }
            ArchiveEntry::Link(to) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                builder.append_link(&mut header, path, to)?;
            }
        }
    }
    let mut gz = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gz.write_all(&builder.into_inner()?)?;
    Ok(gz.finish()?)
}

/// The SHA-256 of some bytes, as `sha256sum` writes it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
