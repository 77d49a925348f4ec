//! Files as they are in a revision of a git repository.
//!
//! `git` itself reads them, object by object, with every hook, filter, pager and helper of the repository switched off, and
//! without fetching. The work tree, the index and the references stay as they are.

mod objects;
mod tree;

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;

use tempfile::TempDir;
use verdikt_platform::files::path_of_bytes;
use verdikt_scenario::plain::Plain;

use crate::failure::Failure;
use objects::GitObjects;
use tree::{FileKind, listed};

/// Two revisions; without the second, the work tree.
#[derive(Clone, Debug)]
pub(crate) struct Revisions {
    pub(crate) base: String,
    pub(crate) head: Option<String>,
}

impl FromStr for Revisions {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        if text.contains("...") {
            return Err(Failure::wrong(format!("`{}` has three dots", Plain::line(text)))
                .hint("write the merge base yourself: `--git \"$(git merge-base A B)..B\"`"));
        }
        let (base, head) = match text.split_once("..") {
            Some((base, head)) => (base, Some(head)),
            None => (text, None),
        };
        if base.is_empty() || head.is_some_and(str::is_empty) {
            return Err(Failure::wrong(format!("`{}` lacks a revision", Plain::line(text)))
                .hint("write `--git REV`, or `--git REV..REV`"));
        }
        Ok(Self { base: base.to_owned(), head: head.map(str::to_owned) })
    }
}

/// A git repository.
#[derive(Debug)]
pub(crate) struct Repository {
    root: PathBuf,
}

/// The files of a revision, in a temporary folder that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Checkout {
    folder: TempDir,
    revision: String,
    /// The paths asked for, in the folder.
    pub(crate) paths: Vec<PathBuf>,
    /// The file of settings that was asked for, in the folder.
    pub(crate) settings: Option<PathBuf>,
    /// The paths asked for, for titles.
    pub(crate) title: String,
    /// What was left out.
    pub(crate) remarks: Vec<String>,
}

impl Checkout {
    /// The name of a file for people: `origin/main:policies/redis.yaml`.
    pub(crate) fn name_of(&self, file: &Arc<str>) -> Arc<str> {
        let folder = format!("{}/", self.folder.path().display());
        match file.strip_prefix(&folder) {
            Some(rest) => format!("{}:{rest}", self.revision).into(),
            None => Arc::clone(file),
        }
    }
}

impl Repository {
    /// The repository that some paths lie in.
    pub(crate) fn around(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut roots = Vec::new();
        for path in paths {
            let folder = existing_folder(path);
            let shown = Plain::line(&path.display().to_string());
            let root = run(&folder, &["rev-parse", "--show-toplevel"])?.map_err(|reason| {
                Failure::wrong(format!("`{shown}` is in no git repository"))
                    .cause(&reason)
                    .hint("go to the repository, or name a path in it")
            })?;
            let root = String::from_utf8_lossy(&root).trim_end_matches('\n').to_owned();
            roots.push(PathBuf::from(root));
        }
        roots.dedup();
        match <[PathBuf; 1]>::try_from(roots) {
            Ok([root]) => Ok(Self { root }),
            Err(_) => Err(Failure::wrong("the paths are in more than one git repository")),
        }
    }

    /// Whether a path lies in the repository.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.inside(path).is_ok()
    }

    /// Reads paths, and perhaps a file of settings, as they are in a revision.
    pub(crate) fn read(
        &self,
        revision: &str,
        paths: &[PathBuf],
        settings: Option<&Path>,
    ) -> Result<Checkout, Failure> {
        let commit = self.commit(revision)?;
        let failed =
            |error: std::io::Error| Failure::machine("cannot keep the files of a revision").cause(&error);
        let folder = tempfile::Builder::new().prefix("verdikt-git-").tempdir().map_err(failed)?;
        // Scenarios may refer to files of the whole repository, as in the work tree.
        fs::create_dir(folder.path().join(".git")).map_err(failed)?;
        let inside: Vec<PathBuf> = paths.iter().map(|path| self.inside(path)).collect::<Result<_, _>>()?;
        let settings = settings.map(|file| self.inside(file)).transpose()?;
        let mut remarks = Vec::new();
        let entries = listed(&self.root, &commit)?;
        let is_asked = |file: &Path| is_wanted(file, &inside) || settings.as_deref() == Some(file);
        let wanted: Vec<_> = entries.iter().filter(|entry| is_asked(&entry.path)).collect();
        for path in inside.iter().chain(&settings) {
            if !path.as_os_str().is_empty() && !wanted.iter().any(|entry| entry.path.starts_with(path)) {
                let shown = Plain::line(&path.display().to_string());
                return Err(Failure::wrong(format!("there is no `{shown}` in {}", Plain::line(revision)))
                    .hint("name paths that are in both, or compare their folder"));
            }
        }
        let mut objects = GitObjects::open(&self.root)?;
        for entry in wanted {
            let target = folder.path().join(&entry.path);
            match entry.kind {
                FileKind::File => {
                    if let Some(above) = target.parent() {
                        fs::create_dir_all(above).map_err(failed)?;
                    }
                    fs::write(&target, objects.read(&entry.object)?).map_err(failed)?;
                }
                FileKind::Link | FileKind::Module => {
                    let what = if entry.kind == FileKind::Link { "a link" } else { "a submodule" };
                    let shown = Plain::line(&entry.path.display().to_string());
                    remarks.push(format!("not read in {revision}: `{shown}` is {what}"));
                }
            }
        }
        let names: Vec<String> = inside
            .iter()
            .map(|path| if path.as_os_str().is_empty() { ".".to_owned() } else { path.display().to_string() })
            .collect();
        let title = Plain::line(&format!("{} in {revision}", names.join(" "))).into();
        let paths = inside.iter().map(|path| folder.path().join(path)).collect();
        let settings = settings.map(|file| folder.path().join(file));
        Ok(Checkout { folder, revision: revision.to_owned(), paths, settings, title, remarks })
    }

    /// How many of the compared files have uncommitted changes, if any.
    pub(crate) fn uncommitted(&self, paths: &[PathBuf]) -> Result<Option<String>, Failure> {
        let inside: Vec<PathBuf> = paths.iter().map(|path| self.inside(path)).collect::<Result<_, _>>()?;
        // Not `git status`, which runs the filters that a repository may configure.
        let others = run(&self.root, &["ls-files", "-z", "--others", "--exclude-standard", "--full-name"])?;
        let others = others.unwrap_or_default();
        let new = others.split(|byte| *byte == 0).map(path_of_bytes);
        let mut files =
            new.filter(|path| path.extension().is_some_and(is_yaml) && is_wanted(path, &inside)).count();
        let mut objects = GitObjects::open(&self.root)?;
        for entry in listed(&self.root, &self.commit("HEAD")?)? {
            if entry.kind == FileKind::File && is_wanted(&entry.path, &inside) {
                // One that cannot be read is not what was committed.
                let now = fs::read(self.root.join(&entry.path)).ok();
                files += usize::from(now != Some(objects.read(&entry.object)?));
            }
        }
        let noun = if files == 1 { "file that is" } else { "files that are" };
        Ok((files > 0)
            .then(|| format!("the work tree has {files} {noun} not committed: compared as they are now")))
    }

    /// The commit that a revision names.
    fn commit(&self, revision: &str) -> Result<String, Failure> {
        let shown = Plain::line(revision);
        let asked = format!("{revision}^{{commit}}");
        let found = run(&self.root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &asked])?;
        let commit = found.ok().map(|commit| String::from_utf8_lossy(&commit).trim().to_owned());
        commit.filter(|commit| !commit.is_empty()).ok_or_else(|| {
            let root = Plain::line(&self.root.display().to_string());
            Failure::wrong(format!("there is no revision `{shown}` in the git repository `{root}`"))
                .hint("`git fetch` it first: a checkout of a CI run often has one commit alone")
        })
    }

    /// A path from the root of the repository.
    fn inside(&self, path: &Path) -> Result<PathBuf, Failure> {
        let absolute = std::path::absolute(path).map_err(|error| Failure::file("find", path, &error))?;
        let mut plain = PathBuf::new();
        for part in absolute.components() {
            match part {
                Component::ParentDir => drop(plain.pop()),
                Component::CurDir => {}
                part => plain.push(part),
            }
        }
        let root = fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone());
        let existing = plain.ancestors().find_map(|above| Some((fs::canonicalize(above).ok()?, above)));
        let real = existing.and_then(|(real, above)| Some(real.join(plain.strip_prefix(above).ok()?)));
        let inside = real.as_ref().and_then(|real| real.strip_prefix(&root).ok());
        let inside = inside.or_else(|| plain.strip_prefix(&self.root).ok());
        inside.map(Path::to_owned).ok_or_else(|| {
            let shown = Plain::line(&path.display().to_string());
            Failure::wrong(format!("`{shown}` is not in the git repository `{}`", self.root.display()))
        })
    }
}

/// Whether a file of a revision may matter to the paths: it lies in one of them, or beside one that is a file and is of a
/// kind that scenarios and renderers read.
fn is_wanted(file: &Path, paths: &[PathBuf]) -> bool {
    let is_named = |path: &PathBuf| file.starts_with(path);
    let looks_like_file = |path: &PathBuf| path.extension().is_some_and(is_yaml);
    paths.iter().any(is_named) || (paths.iter().any(looks_like_file) && file.extension().is_some_and(is_yaml))
}

fn is_yaml(extension: &OsStr) -> bool {
    ["yaml", "yml", "json"].iter().any(|known| extension == OsStr::new(known))
}

/// The folder of a path, or the nearest one above it that exists.
fn existing_folder(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.ancestors().find(|above| above.is_dir());
    folder.map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Prepares a call of `git` that runs nothing that the repository configures.
fn command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .args(["--no-pager", "--literal-pathspecs", "--no-replace-objects", "--no-optional-locks"])
        .args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
        .args(["-c", "protocol.allow=never", "-c", "core.sshCommand=false", "-c", "credential.helper="])
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null());
    command
}

/// Runs `git` in a folder, and returns what it prints.
fn run<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Result<Result<Vec<u8>, String>, Failure> {
    let ran = command(folder).args(arguments).output().map_err(|error| {
        Failure::machine("cannot run `git`").cause(&error).hint("`--git` needs the program `git` in PATH")
    })?;
    if ran.status.success() {
        return Ok(Ok(ran.stdout));
    }
    let reason = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
    Ok(Err(Plain::line(&reason).into()))
}
