//! Errors of bringing clusters up and down, each with advice.

use std::io;
use std::path::PathBuf;

use crate::program::Program;
use crate::versions::VersionNumber;

/// Why a cluster cannot be brought up or down.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not installed.
    #[error("`{0}` is not installed, or not in the PATH")]
    NotInstalled(Program),
    /// A program is too old.
    #[error("`{program}` is {found}; {wanted} or newer is needed")]
    Old {
        /// The program.
        program: Program,
        /// Its version.
        found: VersionNumber,
        /// The oldest supported version.
        wanted: VersionNumber,
    },
    /// A program does not print its version.
    #[error("cannot read the version of `{program}`: it prints `{said}`")]
    NoVersion {
        /// The program.
        program: Program,
        /// What it printed instead.
        said: String,
    },
    /// A program is installed and cannot be started.
    #[error("cannot start `{program}`")]
    NotStarted {
        /// The program.
        program: Program,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    #[error("cannot {doing}: `{program}` {}", failed(*.status, .said))]
    Failed {
        /// What it was to do.
        doing: String,
        /// The program.
        program: Program,
        /// Its exit code; none if a signal ended it.
        status: Option<i32>,
        /// The last lines of its output.
        said: String,
    },
    /// A program did not end in time.
    #[error("cannot {doing}: `{program}` did not end within {seconds} s, and was stopped")]
    TimedOut {
        /// What it was to do.
        doing: String,
        /// The program.
        program: Program,
        /// The timeout.
        seconds: u64,
    },
    /// A signal ended it.
    #[error("interrupted: cannot {doing}")]
    Interrupted {
        /// What was to be done.
        doing: String,
    },
    /// The existing cluster does not match the profile.
    #[error("the cluster `{cluster}` has {found}; the profile has {wanted}")]
    Differs {
        /// The cluster.
        cluster: String,
        /// What it has.
        found: String,
        /// What it should have.
        wanted: String,
        /// The profile.
        profile: &'static str,
    },
    /// The given chart does not match the profile.
    #[error("the chart `{chart}` is {found}; the profile `{profile}` has cilium {wanted}")]
    Chart {
        /// The chart, as it was named.
        chart: String,
        /// What it is.
        found: String,
        /// The version it should have.
        wanted: &'static str,
        /// The profile.
        profile: &'static str,
    },
    /// A program printed something unexpected.
    #[error("cannot read the output of `{program}`: `{said}`")]
    Answer {
        /// The program.
        program: Program,
        /// What it said.
        said: String,
    },
    /// A file that was named cannot be read.
    #[error("cannot read `{}`", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Formats how a program failed, with the last lines of its output.
fn failed(status: Option<i32>, said: &str) -> String {
    let how = status.map_or_else(|| "was killed".to_owned(), |status| format!("exits with {status}"));
    if said.is_empty() {
        return format!("{how} without any output");
    }
    let said = said.replace('\n', "\n  | ");
    format!("{how}\n  | {said}")
}
