//! What the commands over kind clusters have in common: profiles, progress, failures.

use std::time::Instant;

use verdikt_kind::call::interrupt_by;
use verdikt_kind::cluster::{self, KindOptions, Up};
use verdikt_kind::error::Error;
use verdikt_kind::profile::{Profile, profile};

use crate::failure::Failure;
use crate::printer::Printer;
use crate::signals;

/// Brings the cluster of a profile up, where it is not.
pub(crate) fn bring_up(
    profile: &Profile,
    options: &KindOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<Up, Failure> {
    let signals = signals::hold();
    interrupt_by(signals.flag());
    let up = cluster::up(profile, options, progress).map_err(|error| failure(&error))?;
    if signals.is_asked() { Err(Failure::interrupted()) } else { Ok(up) }
}

/// Tells of phases as they begin, with the seconds since it was made.
pub(crate) fn phases() -> impl FnMut(&str) {
    let begun = Instant::now();
    move |phase| Printer::tell(&format!("{:>6.1} s  {phase}\n", begun.elapsed().as_secs_f64()))
}

/// The profile of a name.
pub(crate) fn named(name: &str) -> Result<Profile, Failure> {
    profile(name).map_err(|error| {
        Failure::wrong(error.to_string())
            .hint("`verdikt cluster list` has all profiles, and what each is for")
    })
}

/// A failure of docker, kind, helm or a cluster of theirs.
pub(crate) fn failure(error: &Error) -> Failure {
    // Where a limit is the reason, that says what to do.
    Failure::from_error(error).hint(error.advice()).limited_by(error)
}
