//! `cargo xtask dist`: a release archive, which holds everything that verdikt needs, and its checksum.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::archive::{ArchiveEntry, Mode, sha256, tar_gz};
use crate::build::{PROBE, build, commit, packages_of, root, text_of};
use crate::{Dist, licences, packages, sbom};

/// The shells that there are completions for, and the files that these look for.
const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "verdikt.bash"),
    ("zsh", "_verdikt"),
    ("fish", "verdikt.fish"),
    ("powershell", "_verdikt.ps1"),
];
/// Texts of the repository.
const TEXTS: &[(&str, &str)] = &[
    ("LICENSE", "LICENSE"),
    ("README.md", "README.md"),
    ("scenarios/schema.json", "schema.json"),
    ("clusters/rbac.yaml", "rbac.yaml"),
];
/// How large an archive may be: a download of a second or two.
const MOST_BYTES: usize = 12 << 20;

/// Builds the archive of a platform.
pub(crate) fn dist(options: &Dist) -> Result<()> {
    let (target, out) = (options.target.as_str(), options.out.as_path());
    let commit = commit()?;
    let folder = match &options.built {
        Some(folder) => folder.clone(),
        None => build(target, &commit)?,
    };
    let packages = packages::packages(target)?;
    let name = format!("verdikt-{target}");
    let mut entries = programs(target, &folder, options.probe.as_deref())?;
    let mut add = |path: &str, text: String| {
        entries.push((path.to_owned(), ArchiveEntry::File(Mode::Text, text.into_bytes())));
    };
    for &(path, name) in TEXTS {
        add(name, fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))?);
    }
    add("COMMIT", format!("{}\n", commit.hash));
    add("LICENCES-OF-DEPENDENCIES.txt", licences::document(&packages)?);
    add("sbom.cdx.json", sbom::bill(&packages, &commit));
    for (path, text) in documents(&folder)? {
        add(&path, text);
    }
    let archive = tar_gz(&name, &entries)?;
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let file = format!("{name}.tar.gz");
    fs::write(out.join(&file), &archive)?;
    fs::write(out.join(format!("{file}.sha256")), format!("{}  {file}\n", sha256(&archive)))?;
    ensure!(
        archive.len() <= MOST_BYTES,
        "the archive has {} bytes, and {MOST_BYTES} are the most",
        archive.len()
    );
    Ok(())
}

/// The programs of an archive. `probe` is that of Linux, where the platform has none of its own.
fn programs(target: &str, folder: &Path, probe: Option<&Path>) -> Result<Vec<(String, ArchiveEntry)>> {
    let suffix = if target.contains("windows") { ".exe" } else { "" };
    let mut files: Vec<(String, PathBuf)> = packages_of(target)
        .iter()
        .map(|program| format!("{program}{suffix}"))
        .map(|program| (program.clone(), folder.join(program)))
        .collect();
    if let Some(probe) = probe {
        files.push((PROBE.to_owned(), probe.to_owned()));
    }
    let mut entries = Vec::new();
    for (name, path) in files {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        entries.push((name, ArchiveEntry::File(Mode::Program, bytes)));
    }
    // `kubectl verdikt`: <https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/>. Who makes links in Windows needs
    // a right for it: there it is called by its own name.
    if suffix.is_empty() {
        entries.push(("kubectl-verdikt".to_owned(), ArchiveEntry::Link("verdikt")));
    }
    Ok(entries)
}

/// Completions and manual pages, as the program itself writes them.
fn documents(folder: &Path) -> Result<Vec<(String, String)>> {
    let program = folder.join(format!("verdikt{EXE_SUFFIX}"));
    let mut documents = Vec::new();
    for &(shell, file) in COMPLETIONS {
        let text = text_of(Command::new(&program).args(["completions", shell]))?;
        documents.push((format!("completions/{file}"), text));
    }
    let pages = root().join("target").join(format!("man-{}", std::process::id()));
    fs::create_dir_all(&pages)?;
    text_of(Command::new(&program).arg("man").arg(&pages))?;
    let mut files: Vec<_> = fs::read_dir(&pages)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files {
        let name = file.file_name().to_string_lossy().into_owned();
        documents.push((format!("man/{name}"), fs::read_to_string(file.path())?));
    }
    fs::remove_dir_all(&pages)?;
    Ok(documents)
}
