//! Shared by the commands about kind clusters: profiles, progress, failures.

use std::time::Instant;

use verdikt_kind::call::interrupt_by;
use verdikt_kind::cluster::{self, KindOptions, RunningCluster};
use verdikt_kind::error::Error;
use verdikt_kind::profile::{Profile, profile};

use crate::failure::Failure;
use crate::printer::Printer;
use crate::signals;

/// Brings the cluster of a profile up if it is not.
pub(crate) fn bring_up(
    profile: &Profile,
    options: &KindOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<RunningCluster, Failure> {
    let signals = signals::hold();
    interrupt_by(signals.flag());
    let up = cluster::up(profile, options, progress).map_err(|error| failure(&error))?;
    if signals.is_asked() { Err(Failure::interrupted()) } else { Ok(up) }
}

/// Prints phases as they start, with the seconds since this call.
pub(crate) fn phases() -> impl FnMut(&str) {
    let begun = Instant::now();
    move |phase| Printer::tell(&format!("{:>6.1} s  {phase}\n", begun.elapsed().as_secs_f64()))
}

/// Finds a profile by name.
pub(crate) fn named(name: &str) -> Result<Profile, Failure> {
    profile(name).map_err(|error| {
        Failure::wrong(error.to_string())
            .hint("`verdikt cluster list` shows all profiles and what each is for")
    })
}

/// A failure of docker, kind, helm or a kind cluster.
pub(crate) fn failure(error: &Error) -> Failure {
    // If a limit is the reason, its advice replaces this hint.
    Failure::from_error(error).hint(error.advice()).limited_by(error)
}
