//! The lab on Linux.

use std::io;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use verdikt_lab::enter::Obstacle;
use verdikt_runner::lab;
use verdikt_runner::plan::{RunOptions, Sink};
use verdikt_scenario::scenario::Scenario;
use verdikt_verdict::run_result::RunResult;

use crate::failure::Failure;
use crate::runtime::runtime;
use crate::signals::HeldSignals;

/// Gives this process the rights to create network namespaces.
pub(crate) fn enter() -> Result<(), Obstacle> {
    verdikt_lab::enter::enter().map(drop)
}

/// Runs scenarios in labs until they are done or a signal stops them. The inner error is one of the sink.
pub(crate) fn run(
    scenarios: &[Scenario],
    options: &RunOptions,
    signals: &HeldSignals,
    sink: Sink<'_>,
) -> Result<io::Result<RunResult>, Failure> {
    let runtime = runtime()?;
    let stop = Box::pin(signals.asked());
    Ok(runtime.block_on(lab::run(scenarios, options, verdikt_probe::probe::over, stop, sink)))
}

/// Becomes the probe of a pod.
pub(crate) fn probe_main(address: Option<IpAddr>, patience: Option<Duration>) -> ExitCode {
    verdikt_probe::probe::main(address, patience)
}
