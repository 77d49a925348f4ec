//! Lists the files of a path: itself, or those below a folder.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::boundary::Boundary;
use super::{at_file, text};
use crate::diagnostic::Diagnostic;
use crate::lower::mistake::Mistake;
use crate::place::Place;

/// Limits on walking a folder, so that naming the whole disk ends with a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct WalkLimits {
    /// Files and folders altogether.
    pub(super) entries: usize,
    /// Depth of nested folders.
    pub(super) depth: usize,
}

impl Default for WalkLimits {
    fn default() -> Self {
        Self { entries: 200_000, depth: 64 }
    }
}

/// The files of a path.
#[derive(Debug, Default)]
pub(super) struct WalkedFiles {
    pub(super) paths: Vec<PathBuf>,
    pub(super) of_folder: bool,
    pub(super) problems: Vec<Diagnostic>,
}

/// The path itself if it is a file, or the files below it whose names fit.
pub(super) fn files_of(
    path: &Path,
    fits: fn(&str) -> bool,
    boundary: &Boundary,
    limits: WalkLimits,
) -> WalkedFiles {
    let mut walk = FolderWalk {
        boundary,
        limits,
        fits,
        above: Vec::new(),
        visited: BTreeSet::new(),
        entries: 0,
        files: WalkedFiles::default(),
    };
    match fs::metadata(path) {
        Err(error) => walk.problem(path, text::cannot_read(path, &error)),
        Ok(metadata) if metadata.is_dir() => {
            walk.files.of_folder = true;
            match fs::canonicalize(path) {
                Err(error) => walk.problem(path, text::cannot_read(path, &error)),
                Ok(canonical) => match boundary.check(path, &canonical) {
                    Err(mistake) => walk.problem(path, mistake),
                    Ok(()) => drop(walk.folder(path, canonical)),
                },
            }
            walk.files.paths.sort();
        }
        Ok(_) => walk.files.paths.push(path.to_owned()),
    }
    walk.files
}

/// A walk below one folder.
struct FolderWalk<'a> {
    boundary: &'a Boundary,
    limits: WalkLimits,
    fits: fn(&str) -> bool,
    /// The folders around the current one, without links.
    above: Vec<PathBuf>,
    visited: BTreeSet<PathBuf>,
    entries: usize,
    files: WalkedFiles,
}

/// A walk stops when it has reached a limit.
struct Stop;

impl FolderWalk<'_> {
    fn problem(&mut self, path: &Path, mistake: Mistake) {
        self.files.problems.push(at_file(path, mistake));
    }

    fn folder(&mut self, folder: &Path, canonical: PathBuf) -> Result<(), Stop> {
        if self.above.contains(&canonical) {
            let mistake = Mistake::new(format!("folder `{}` contains itself", text::display(folder)));
            self.problem(folder, mistake.help("a symbolic link points to a folder above it".to_owned()));
            return Ok(());
        }
        if !self.visited.insert(canonical.clone()) {
            return Ok(());
        }
        if self.above.len() == self.limits.depth {
            let most = self.limits.depth;
            let message = format!("`{}` is more than {most} folders deep", text::display(folder));
            self.problem(folder, Mistake::new(message).help("name this folder itself".to_owned()));
            return Ok(());
        }
        let most = self.limits.entries - self.entries + 1;
        let entries =
            fs::read_dir(folder).and_then(|entries| entries.take(most).collect::<io::Result<Vec<_>>>());
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.problem(folder, text::cannot_read(folder, &error));
                return Ok(());
            }
        };
        self.entries += entries.len();
        if self.entries > self.limits.entries {
            let most = self.limits.entries;
            let message =
                format!("verdikt stops at `{}`: more than {most} files and folders", text::display(folder));
            let help = "name the folders with scenarios and policies, and not one above them".to_owned();
            self.problem(folder, Mistake::new(message).help(help));
            return Err(Stop);
        }
        self.above.push(canonical);
        let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
        paths.sort();
        for path in paths {
            self.entry(path)?;
        }
        self.above.pop();
        Ok(())
    }

    fn entry(&mut self, path: PathBuf) -> Result<(), Stop> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') {
            return Ok(());
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => match fs::canonicalize(&path) {
                Err(error) => self.problem(&path, text::cannot_read(&path, &error)),
                Ok(canonical) if self.boundary.check(&path, &canonical).is_err() => self.link_outside(&path),
                Ok(canonical) => self.folder(&path, canonical)?,
            },
            _ if !(self.fits)(&name) => {}
            Ok(_) => self.files.paths.push(path),
            Err(error) => self.problem(&path, text::cannot_read(&path, &error)),
        }
        Ok(())
    }

    /// Build tools leave such links in repositories, so they are not a mistake.
    fn link_outside(&mut self, path: &Path) {
        let name = text::display(path);
        let message = format!(
            "`{name}` is skipped: the link leads outside the repository or folder that the command names"
        );
        let warning = Diagnostic::warning(Place::start_of(name), "outside", message);
        let help = "name it itself, or use `--allow-outside` if you trust it";
        self.files.problems.push(warning.help(help));
    }
}
