//! What is done to the repository itself, as `cargo xtask`.

mod archive;
mod build;
mod dist;
mod docs;
mod licences;
mod manifests;
mod packages;
mod refresh;
mod sbom;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "What is done to the repository itself")]
struct XtaskArguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build a release archive with its checksum
    Dist(Dist),
    /// Write the pages of the book that come from the code
    Docs {
        /// Write nothing, and fail if one is not current
        #[arg(long)]
        check: bool,
    },
    /// Write the krew manifest and the Homebrew formula of a release, from the checksums of its archives
    Manifests {
        /// The folder with the archives of all platforms
        #[arg(default_value = "dist")]
        folder: PathBuf,
    },
    /// Bring clusters/versions.yaml to the newest charts and images, from their sources
    Refresh(refresh::Refresh),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Dist {
    /// The platform
    #[arg(long, default_value = build::DEFAULT_TARGET)]
    pub(crate) target: String,
    /// The folder for archive and checksum
    #[arg(long, default_value = "dist")]
    pub(crate) out: PathBuf,
    /// Take the programs from this folder instead of building them
    #[arg(long)]
    pub(crate) built: Option<PathBuf>,
    /// The probe of Linux, for the pods of clusters, where the platform has none of its own
    #[arg(long)]
    pub(crate) probe: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    match XtaskArguments::parse().task {
        Task::Dist(options) => dist::dist(&options),
        Task::Docs { check } => docs::docs(if check { docs::Pages::Check } else { docs::Pages::Write }),
        Task::Manifests { folder } => manifests::write(&folder),
        Task::Refresh(options) => refresh::refresh(&options),
    }
}
