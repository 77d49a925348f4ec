//! Atomic writing of files: new contents are written beside the old ones and replace them when they are complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use verdikt_platform::files::keep_owner;

/// The folder for a path without one.
pub(crate) const DEFAULT_FOLDER: &str = "scenarios";
/// How many links may lead to a file.
const MOST_LINKS: usize = 40;
/// How many names are tried for what is made beside a file.
const MOST_NAMES: usize = 100;
/// What is open in a process, or a device: nothing can take its place.
const NO_FILES: &[&str] = &["/dev", "/proc"];

/// What a path leads to.
pub(crate) enum PathTarget {
    /// A regular file, or none yet, there.
    File(PathBuf),
    /// Something that is written as it is: a pipe, a device, an open file of a process.
    Stream,
}

/// Where a path leads. Links are followed: the file takes the new contents, and the link stays.
pub(crate) fn target(path: &Path) -> io::Result<PathTarget> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if NO_FILES.iter().any(|folder| path.starts_with(folder)) {
            return Ok(PathTarget::Stream);
        }
        match fs::read_link(&path) {
            Ok(link) => path = folder(&path).join(link),
            Err(_) => break,
        }
    }
    match fs::metadata(&path) {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(there) if !there.is_file() => Ok(PathTarget::Stream),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(PathTarget::File(path)),
    }
}

/// Makes sure that a file can be written, and changes nothing.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    match target(path)? {
        // Opening a pipe waits for its reader, and closing it ends the reading.
        PathTarget::Stream => Ok(()),
        PathTarget::File(target) => match SiblingFile::of(&target) {
            Ok(_) => Ok(()),
            Err(error) => in_place(&target).map(drop).map_err(|_| error),
        },
    }
}

/// Gives a file new contents. If that fails the old ones stay.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let target = match target(path)? {
        PathTarget::Stream => return OpenOptions::new().write(true).open(path)?.write_all(contents),
        PathTarget::File(target) => target,
    };
    let beside = match SiblingFile::of(&target) {
        Ok(mut beside) => {
            beside.file.write_all(contents)?;
            beside.take_place(&target)
        }
        Err(error) => Err(error),
    };
    // A file in a folder of somebody else's, or one that is mounted, can be written all the same.
    let Err(error) = beside else { return Ok(()) };
    let mut file = in_place(&target).map_err(|_| error)?;
    file.set_len(0)?;
    file.write_all(contents)
}

/// The file as it is, if it is there.
fn in_place(target: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(target)
}

/// A folder for new files. If it was made for them and none came, it is removed again.
pub(crate) struct NewFolder {
    made: Option<PathBuf>,
}

impl NewFolder {
    /// Makes the folder, unless it is there.
    pub(crate) fn make(path: &Path) -> io::Result<Self> {
        let made = (!path.exists()).then(|| path.to_owned());
        fs::create_dir_all(path)?;
        Ok(Self { made })
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if let Some(path) = &self.made {
            // One with files is not removed.
            let _ = fs::remove_dir(path);
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file in the folder of another, which is removed unless it takes its place.
struct SiblingFile {
    path: PathBuf,
    file: File,
}

impl SiblingFile {
    fn of(target: &Path) -> io::Result<Self> {
        let mut number = 0;
        let beside = loop {
            let path = folder(target).join(format!(".verdikt-{}-{number}", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => break Self { path, file },
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < MOST_NAMES => {
                    number += 1;
                }
                Err(error) => return Err(error),
            }
        };
        if let Ok(old) = fs::metadata(target) {
            // Nobody but root gives files away; then the new file is the writer's, as any new file.
            let _ = keep_owner(&beside.file, &old);
            beside.file.set_permissions(old.permissions())?;
        }
        Ok(beside)
    }

    fn take_place(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)
    }
}

impl Drop for SiblingFile {
    fn drop(&mut self) {
        // It is gone where it took the place of the other.
        let _ = fs::remove_file(&self.path);
    }
}
