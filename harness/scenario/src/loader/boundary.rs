//! Which files may be read: those below the paths that a command names, or in their repositories.
//!
//! The files may be a stranger's. Links are resolved before a path is compared with the boundary, and a link inside a
//! repository never widens it, even if the command names the link.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{read, text};
use crate::lower::mistake::Mistake;

/// Which files may be referred to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileReach {
    /// Only files within the paths that the command names, and their repositories.
    #[default]
    Inside,
    /// Every file that the user may read.
    Anywhere,
}

/// The folder of git's own data: configuration, credentials of a checkout, other branches.
const OF_GIT: &str = ".git";

/// The folders below which files may be read.
#[derive(Debug)]
pub(super) struct Boundary {
    reach: FileReach,
    /// The folders, without links.
    roots: BTreeSet<PathBuf>,
}

impl Boundary {
    /// The boundary around the paths of a command.
    pub(super) fn around(paths: &[PathBuf], reach: FileReach) -> Self {
        let mut roots = BTreeSet::new();
        for path in paths {
            if read::is_stream(path) {
                roots.extend(fs::canonicalize(".").ok().map(whole));
            } else {
                add_roots(path, &mut roots);
            }
        }
        Self { reach, roots }
    }

    /// Says why a file or folder, without links, must not be read; `path` names it.
    pub(super) fn check(&self, path: &Path, canonical: &Path) -> Result<(), Mistake> {
        let is_below = |root: &PathBuf| {
            let below = canonical.strip_prefix(root);
            below.is_ok_and(|below| !below.components().any(|part| part.as_os_str() == OsStr::new(OF_GIT)))
        };
        if self.reach == FileReach::Anywhere || self.roots.iter().any(is_below) {
            return Ok(());
        }
        let message = format!(
            "cannot read `{}`: it is outside the repository or folder that the command names",
            text::display(path)
        );
        let help = "move it inside, or allow it with `--allow-outside` if you trust these files";
        Err(Mistake::new(message).help(help.to_owned()))
    }
}

/// Adds the folders below which files may be read because a command names a path.
fn add_roots(path: &Path, roots: &mut BTreeSet<PathBuf>) {
    let Ok(target) = fs::canonicalize(path) else { return };
    // A link in a repository does not mean that the user allows its target.
    let left = folders_of_links(path).into_iter().filter_map(|folder| repository(&folder));
    if let Some(left) = left.into_iter().find(|repository| !target.starts_with(repository)) {
        roots.insert(left);
        return;
    }
    if target.is_dir() {
        roots.insert(whole(target));
        return;
    }
    // A file may refer to others beside the path under which it was found.
    let name =
        path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let beside = name.and_then(|folder| fs::canonicalize(folder).ok());
    roots.extend(target.parent().map(Path::to_owned).into_iter().chain(beside).map(whole));
}

/// The folders, without links, that contain the links of a path.
fn folders_of_links(path: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut walked = PathBuf::new();
    for part in path.components() {
        let folder = if walked.as_os_str().is_empty() { Path::new(".") } else { walked.as_path() };
        let folder = folder.to_owned();
        walked.push(part);
        let is_link = matches!(part, Component::Normal(_))
            && fs::symlink_metadata(&walked).is_ok_and(|metadata| metadata.is_symlink());
        if is_link {
            folders.extend(fs::canonicalize(folder));
        }
    }
    folders
}

/// The repository of a folder, or the folder itself.
fn whole(folder: PathBuf) -> PathBuf {
    repository(&folder).unwrap_or(folder)
}

/// The nearest folder with a git repository, from a folder up.
fn repository(folder: &Path) -> Option<PathBuf> {
    let mut above = folder.ancestors();
    above.find(|above| fs::symlink_metadata(above.join(OF_GIT)).is_ok()).map(Path::to_owned)
}
