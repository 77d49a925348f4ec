//! Builds the programs of a release: static, stripped, and knowing the commit they are of.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The platform of archives that are asked for without one.
pub(crate) const DEFAULT_TARGET: &str = "x86_64-unknown-linux-gnu";
/// The profile of `Cargo.toml` for releases.
const PROFILE: &str = "dist";
/// The probe, as package and program.
pub(crate) const PROBE: &str = "verdikt-probe";
/// What a build of this workspace must not inherit: it would bring what only tests need.
const UNIFICATION: [&str; 2] = ["CARGO_RESOLVER_FEATURE_UNIFICATION", "CARGO_UNSTABLE_FEATURE_UNIFICATION"];

/// The commit of a release.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    /// Its hash.
    pub(crate) hash: String,
    /// The day of it: `2026-11-28`.
    pub(crate) date: String,
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// Cargo, as it runs this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for name in UNIFICATION {
        command.env_remove(name);
    }
    command
}

/// What a command prints.
pub(crate) fn text_of(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} ended with {}: {}", output.status, said.trim());
    Ok(String::from_utf8(output.stdout)?)
}

/// The commit of the work tree.
pub(crate) fn commit() -> Result<Commit> {
    let git = |arguments: &[&str]| {
        let text = text_of(Command::new("git").current_dir(root()).args(arguments))?;
        Ok::<String, anyhow::Error>(text.trim().to_owned())
    };
    Ok(Commit {
        hash: git(&["rev-parse", "HEAD"])?,
        date: git(&["show", "--no-patch", "--format=%cs", "HEAD"])?,
    })
}

/// The packages whose programs an archive holds; each program is called as its package. The probe lives in Linux alone.
pub(crate) fn packages_of(target: &str) -> &'static [&'static str] {
    if target.contains("linux") { &["verdikt", PROBE] } else { &["verdikt"] }
}

/// Builds `verdikt`, and in Linux its probe, for a platform; the folder they are in.
pub(crate) fn build(target: &str, commit: &Commit) -> Result<PathBuf> {
    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut command = cargo();
    command.args(["build", "--locked", "--profile", PROFILE, "--target", target]);
    for package in packages_of(target) {
        command.args(["--package", package]);
    }
    command.env("VERDIKT_COMMIT", &commit.hash).env("VERDIKT_COMMIT_DATE", &commit.date);
    // One file each, that needs nothing else of a system.
    if target.ends_with("-linux-gnu") {
        // At fixed addresses, for a lab starts it often; and without the tables by which a stack is unwound, for its panics
        // abort.
        let flags = "-C target-feature=+crt-static -C relocation-model=static -C force-unwind-tables=no";
        command.env("RUSTFLAGS", flags);
    } else if target.ends_with("-msvc") {
        command.env("RUSTFLAGS", "-C target-feature=+crt-static");
    }
    let status = command.status().context("cannot start cargo")?;
    ensure!(status.success(), "the build for {target} ended with {status}");
    Ok(folder.join(target).join(PROFILE))
}
