//! `verdikt run --on lab`: the runner over labs, until it is done or interrupted.

use std::io;

use verdikt_runner::lab::{LabBackend, NAME};
use verdikt_runner::plan::{RunOptions, Sink};
use verdikt_runner::run::{BackendChoice, run_on};
use verdikt_scenario::scenario::Scenario;
use verdikt_verdict::run_result::RunResult;

use crate::failure::Failure;
use crate::lab_use::probe;
use crate::runtime::runtime;
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
