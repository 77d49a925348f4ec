//! Why a lab cannot run on this machine.

use std::error::Error;

use verdikt_runner::backend::reason;

use crate::failure::Failure;

/// The failure of a command that needs a lab.
pub(crate) fn no_lab(obstacle: &(impl Error + 'static)) -> Failure {
    let failure = Failure::machine("the lab cannot run here").cause(&reason(obstacle));
    failure.limited_by(obstacle)
}
