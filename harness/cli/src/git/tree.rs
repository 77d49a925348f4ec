//! The files of a commit.

use std::path::{Component, Path, PathBuf};

use verdikt_platform::files::path_of_bytes;

use super::run;
use crate::failure::Failure;

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeEntry {
    pub(super) kind: FileKind,
    pub(super) object: String,
    /// From the root of the repository.
    pub(super) path: PathBuf,
}

/// What a file of a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    File,
    Link,
    Module,
}

/// Every file of a commit.
pub(super) fn listed(root: &Path, commit: &str) -> Result<Vec<TreeEntry>, Failure> {
    let tree = run(root, &["ls-tree", "-r", "-z", "--full-tree", commit])?;
    let tree = tree.map_err(|reason| {
        Failure::wrong(format!("cannot list the files of commit {commit}")).cause(&reason)
    })?;
    Ok(tree.split(|byte| *byte == 0).filter_map(entry).collect())
}

/// Parses `MODE TYPE OBJECT<tab>PATH`. Entries that lead out of their folder are left out: only an attacker makes them.
fn entry(line: &[u8]) -> Option<TreeEntry> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let head = std::str::from_utf8(&line[..tab]).ok()?;
    let mut words = head.split(' ');
    let (mode, _, object) = (words.next()?, words.next()?, words.next()?);
    let kind = match mode {
        "120000" => FileKind::Link,
        "160000" => FileKind::Module,
        _ => FileKind::File,
    };
    let path = path_of_bytes(&line[tab + 1..]);
    let is_plain =
        |part: Component<'_>| matches!(part, Component::Normal(name) if !name.eq_ignore_ascii_case(".git"));
    path.components().all(is_plain).then(|| TreeEntry { kind, object: object.to_owned(), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_in_their_folder() {
        let kind = |line: &str| entry(line.as_bytes()).map(|entry| entry.kind);
        assert_eq!(kind("100644 blob abc\tpolicies/a b.yaml"), Some(FileKind::File));
        assert_eq!(kind("120000 blob abc\tlink"), Some(FileKind::Link));
        assert_eq!(kind("160000 commit abc\tmodule"), Some(FileKind::Module));
        for evil in ["../a.yaml", "/etc/a.yaml", ".git/config", "a/.GIT/hooks/x"] {
            assert_eq!(kind(&format!("100644 blob abc\t{evil}")), None, "{evil}");
        }
    }
}
