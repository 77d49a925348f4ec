//! The asynchronous runtime of the commands.

use std::fs::File;
use std::io;

use tokio::runtime::{Builder, Runtime};
use verdikt_platform::files::ALWAYS_THERE;

use crate::failure::Failure;

/// More files than a runtime opens.
const FILES_OF_RUNTIME: usize = 16;

/// A single-threaded runtime.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let failed = |error: io::Error| Failure::machine("cannot start").cause(&error).limited_by(&error);
    // Of the files that it opens, those for signals have to open: that they can is tried before.
    let opened: io::Result<Vec<File>> = (0..FILES_OF_RUNTIME).map(|_| File::open(ALWAYS_THERE)).collect();
    drop(opened.map_err(failed)?);
    Builder::new_current_thread().enable_all().build().map_err(failed)
}
