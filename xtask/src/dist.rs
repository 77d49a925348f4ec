//! `cargo xtask dist`: a release archive, which holds everything that verdikt needs, and its checksum.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::archive::{ArchiveEntry, Mode, sha256, tar_gz};
use crate::build::{build, commit, root, text_of};
use crate::{licences, packages, sbom};

/// The shells that there are completions for, and the files that these look for.
const COMPLETIONS: [(&str, &str); 4] =
    [("bash", "verdikt.bash"), ("zsh", "_verdikt"), ("fish", "verdikt.fish"), ("powershell", "_verdikt.ps1")];
/// Texts of the repository.
const TEXTS: [(&str, &str); 4] = [
    ("LICENSE", "LICENSE"),
    ("README.md", "README.md"),
    ("scenarios/schema.json", "schema.json"),
    ("clusters/rbac.yaml", "rbac.yaml"),
];
/// How large an archive may be: a download of a second or two.
const MOST_BYTES: usize = 12 << 20;

/// Builds the archive of a platform in `out`.
pub(crate) fn dist(target: &str, out: &Path, built: Option<&Path>) -> Result<()> {
    let commit = commit()?;
    let folder = match built {
        Some(folder) => folder.to_owned(),
        None => build(target, &commit)?,
    };
    let packages = packages::packages(target)?;
    let name = format!("verdikt-{target}");
    let mut entries = programs(target, &folder)?;
    let mut add = |path: &str, text: String| {
        entries.push((path.to_owned(), ArchiveEntry::File(Mode::Text, text.into_bytes())));
    };
    for (path, name) in TEXTS {
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

fn programs(target: &str, folder: &Path) -> Result<Vec<(String, ArchiveEntry)>> {
    let mut entries = Vec::new();
    for program in ["verdikt", "verdikt-probe"] {
        // The probe lives in Linux alone.
        if program == "verdikt-probe" && !target.contains("linux") {
            continue;
        }
        let path = folder.join(program);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        entries.push((program.to_owned(), ArchiveEntry::File(Mode::Program, bytes)));
    }
    // `kubectl verdikt`: <https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/>.
    entries.push(("kubectl-verdikt".to_owned(), ArchiveEntry::Link("verdikt")));
    Ok(entries)
}

/// Completions and manual pages, as the program itself writes them.
fn documents(folder: &Path) -> Result<Vec<(String, String)>> {
    let program = folder.join("verdikt");
    let mut documents = Vec::new();
    for (shell, file) in COMPLETIONS {
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
