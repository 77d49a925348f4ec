//! What Cilium is configured to do, on the command line.

use std::path::{Path, PathBuf};

use clap::Args;

/// What Cilium is configured to do.
#[derive(Clone, Debug, Args)]
pub(crate) struct SettingsArguments {
    /// The settings of Cilium: a file of Helm values, as `helm get values cilium` prints them. Scenarios and topologies must
    /// not contradict it
    #[arg(long = "settings", value_name = "VALUES")]
    file: Option<PathBuf>,
}

impl SettingsArguments {
    /// The file, if one is given.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}
