//! Hearing of saved files.

use std::collections::BTreeSet;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Editors save in several steps; what follows within this time belongs together.
const TOGETHER: Duration = Duration::from_millis(60);

/// Tells when one of some files was changed.
pub(crate) struct Watch {
    /// It lasts as long as the process: where its thread could not start, it would panic as it is dropped.
    watcher: ManuallyDrop<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    changes: mpsc::UnboundedReceiver<PathBuf>,
}

impl Watch {
    /// Watches nothing yet.
    pub(crate) fn start() -> notify::Result<Self> {
        // That its thread does not start the watcher does not tell.
        drop(std::thread::Builder::new().spawn(|| ())?.join());
        let (tells, changes) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, EventKind::Access(_)) {
                return;
            }
            for path in event.paths {
                // Nobody listens any more only while the lab ends.
                let _ = tells.send(path);
            }
        })?;
        Ok(Self { watcher: ManuallyDrop::new(watcher), folders: BTreeSet::new(), changes })
    }

    /// Watches these files from now on. Their folders are watched, for many editors put a new file in an old one's
    /// place.
    pub(crate) fn files<'a>(&mut self, files: impl Iterator<Item = &'a Path>) -> notify::Result<()> {
        for file in files {
            let folder = match file.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
                _ => PathBuf::from("."),
            };
            if !self.folders.contains(&folder) {
                self.watcher.watch(&folder, RecursiveMode::NonRecursive)?;
                self.folders.insert(folder);
            }
        }
        Ok(())
    }

    /// The names of the files that were changed together. Cancel-safe until the first is known.
    pub(crate) async fn changed(&mut self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let Some(first) = self.changes.recv().await else { return std::future::pending().await };
        names.extend(name(&first));
        while let Ok(Some(path)) = tokio::time::timeout(TOGETHER, self.changes.recv()).await {
            names.extend(name(&path));
        }
        names
    }
}

fn name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    let policy = Path::new(name.as_ref()).extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
    });
    policy.then(|| name.into_owned())
}
