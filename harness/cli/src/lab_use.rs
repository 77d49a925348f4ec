//! What every command that brings up a lab needs.

use std::ffi::OsString;
use std::io;

use verdikt_lab::enter::Obstacle;
use verdikt_lab::namespace::ProbeExecutable;
use verdikt_runner::backend::reason;

use crate::PROBE;
use crate::failure::Failure;

/// Why there can be no lab.
pub(crate) fn no_lab(obstacle: &Obstacle) -> Failure {
    let failure = Failure::machine("there can be no lab here").cause(&reason(obstacle));
    failure.limited_by(obstacle)
}

/// This program is its own probe.
pub(crate) fn probe() -> io::Result<ProbeExecutable> {
    Ok(ProbeExecutable { path: std::env::current_exe()?, arguments: vec![OsString::from(PROBE)] })
}
