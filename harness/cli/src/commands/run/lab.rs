//! `verdikt run --on lab`: the runner over labs, until it is done or interrupted.

use std::ffi::OsString;
use std::io;

use verdikt_lab::enter::Obstacle;
use verdikt_lab::namespace::ProbeExecutable;
use verdikt_runner::backend::reason;
use verdikt_runner::lab::{LabBackend, NAME};
use verdikt_runner::plan::{RunOptions, Sink};
use verdikt_runner::run::{BackendChoice, run_on};
use verdikt_scenario::scenario::Scenario;
use verdikt_verdict::run_result::RunResult;

use crate::PROBE;
use crate::commands::runtime;
use crate::failure::Failure;
use crate::signals::Held;

/// Runs scenarios there. An error of the sink is the inner one.
pub(super) fn run(
    scenarios: &[Scenario],
    options: &RunOptions,
    signals: &Held,
    sink: Sink<'_>,
) -> Result<io::Result<RunResult>, Failure> {
    let runtime = runtime()?;
    let probe = probe().map_err(|error| Failure::machine("cannot find this program").cause(&error))?;
    Ok(runtime.block_on(async {
        let open = async |_| LabBackend::open(probe.clone(), options.timeout).await;
        run_on(BackendChoice::of_all(NAME), scenarios, options, open, signals.asked(), sink).await
    }))
}

/// Why there can be no lab.
pub(crate) fn no_lab(obstacle: &Obstacle) -> Failure {
    let failure = Failure::machine("there can be no lab here").cause(&reason(obstacle));
    failure.limited_by(obstacle)
}

/// This program is its own probe.
pub(crate) fn probe() -> io::Result<ProbeExecutable> {
    Ok(ProbeExecutable { path: std::env::current_exe()?, arguments: vec![OsString::from(PROBE)] })
}
