//! The event log of a run: written as the run goes on; it replaces an older log only at the end.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use verdikt_verdict::event::Event;

use crate::failure::Failure;
use crate::files::{self, PathTarget};

/// The suffix of a log that replaces an older one when its run ends.
const PART: &str = ".part";

/// A log that is being written.
pub(super) struct EventLogWriter {
    /// The path as the command names it.
    path: PathBuf,
    writer: BufWriter<File>,
    /// The path until the run ends, and the final path.
    replaces: Option<(PathBuf, PathBuf)>,
    /// Whether the run has ended.
    is_whole: bool,
}

impl EventLogWriter {
    /// Creates a log. An existing file is replaced only when the new log is complete.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| failure(path, &error);
        let replaces = match files::target(path).map_err(failed)? {
            PathTarget::File(target) if fs::metadata(&target).is_ok_and(|old| old.len() > 0) => {
                Some((part_of(&target), target))
            }
            PathTarget::File(_) | PathTarget::Stream => None,
        };
        let file = File::create(replaces.as_ref().map_or(path, |(part, _)| part)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(file), replaces, is_whole: false })
    }

    /// Writes an event, and flushes the log after every event except those of cells.
    pub(super) fn write(&mut self, event: &Event) -> Result<(), Failure> {
        let written = event.to_line().map_err(io::Error::from).and_then(|line| {
            writeln!(self.writer, "{line}")?;
            if matches!(event, Event::CellJudged(_)) { Ok(()) } else { self.writer.flush() }
        });
        self.is_whole |= matches!(event, Event::RunFinished(_));
        written.map_err(|error| failure(&self.path, &error))
    }

    /// Moves the log of a complete run to its final path. An incomplete log stays where it was written.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        let ended = self.writer.flush().and_then(|()| match &self.replaces {
            Some((part, target)) if self.is_whole => fs::rename(part, target),
            _ => Ok(()),
        });
        ended.map_err(|error| failure(&self.path, &error))
    }
}

/// Checks that a log can be written, without changing anything.
pub(super) fn check(path: &Path) -> Result<(), Failure> {
    files::check(path).map_err(|error| failure(path, &error))
}

/// The path of a log until it replaces an older one.
pub(super) fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PART);
    name.into()
}

fn failure(path: &Path, cause: &io::Error) -> Failure {
    Failure::file("write the event log", path, cause)
}
