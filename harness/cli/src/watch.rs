//! Hearing of saved files.

use std::collections::BTreeSet;
use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::failure::Failure;

/// Editors save in several steps; what follows within this time belongs together.
const TOGETHER: Duration = Duration::from_millis(60);

/// Tells when one of some files was changed.
pub(crate) struct Watch {
    /// It lasts as long as the process: where its thread could not start, it would panic as it is dropped.
    watcher: ManuallyDrop<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    changes: mpsc::UnboundedReceiver<PathBuf>,
    /// The names of the files that were changed, and when they are told unless others follow.
    changed: BTreeSet<String>,
    due: Option<Instant>,
}

impl Watch {
    /// Watches nothing yet.
    pub(crate) fn start() -> Result<Self, Failure> {
        // That its thread does not start the watcher does not tell.
        drop(std::thread::Builder::new().spawn(|| ()).map_err(|error| cannot_watch(error.into()))?.join());
        let (tells, changes) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let event = match event {
                Ok(event) => event,
                Err(error) => return warn!(%error, "a saved file may go unnoticed"),
            };
            if matches!(event.kind, EventKind::Access(_)) {
                return;
            }
            for path in event.paths {
                // Nobody listens any more only while the lab ends.
                let _ = tells.send(path);
            }
        });
        let watcher = watcher.map_err(cannot_watch)?;
        Ok(Self {
            watcher: ManuallyDrop::new(watcher),
            folders: BTreeSet::new(),
            changes,
            changed: BTreeSet::new(),
            due: None,
        })
    }

    /// Watches these files from now on. Their folders are watched, for many editors put a new file in an old one's
    /// place.
    pub(crate) fn files<'a>(&mut self, files: impl Iterator<Item = &'a Path>) -> Result<(), Failure> {
        self.folders(&files.map(folder_of).collect())
    }

    /// Watches the files of these folders from now on, and those that will be there.
    pub(crate) fn folders(&mut self, folders: &BTreeSet<PathBuf>) -> Result<(), Failure> {
        for folder in folders {
            if !self.folders.contains(folder) {
                self.watcher.watch(folder, RecursiveMode::NonRecursive).map_err(cannot_watch)?;
                self.folders.insert(folder.clone());
            }
        }
        Ok(())
    }

    /// The names of the files that were changed together. Cancel-safe.
    pub(crate) async fn changed(&mut self) -> BTreeSet<String> {
        loop {
            let path = match self.due {
                None => self.changes.recv().await,
                Some(due) => {
                    let Ok(path) = timeout_at(due, self.changes.recv()).await else {
                        self.due = None;
                        return std::mem::take(&mut self.changed);
                    };
                    path
                }
            };
            let Some(path) = path else { return std::future::pending().await };
            self.due = Some(Instant::now() + TOGETHER);
            self.changed.extend(name(&path));
        }
    }
}

/// Why files cannot be watched. The library does not name the system's error as its cause.
fn cannot_watch(error: notify::Error) -> Failure {
    let error = match error.kind {
        ErrorKind::Io(error) => error,
        _ => io::Error::other(error),
    };
    Failure::machine("cannot watch files").cause(&error).limited_by(&error)
}

/// The folder of a file.
pub(crate) fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    let is_read = Path::new(name.as_ref()).extension().is_some_and(|extension| {
        ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    });
    is_read.then(|| name.into_owned())
}
