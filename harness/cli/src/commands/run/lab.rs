//! `verdikt run --on lab`: the runner over labs, until it is done or interrupted.

use std::ffi::OsString;
use std::io;

use verdikt_lab::namespace::AgentProgram;
use verdikt_runner::lab::{LabBackend, NAME};
use verdikt_runner::plan::{RunOptions, Sink};
use verdikt_runner::run::{Venue, run_on};
use verdikt_scenario::scenario::Scenario;
use verdikt_verdict::outcome::Outcome;

use crate::commands::runtime;
use crate::signals::Held;

pub(super) fn run(
    scenarios: &[Scenario],
    options: &RunOptions,
    signals: &Held,
    sink: Sink<'_>,
) -> io::Result<Outcome> {
    let runtime = runtime()?;
    let agent = agent()?;
    runtime.block_on(async {
        let open = async |_| LabBackend::open(agent.clone(), options.timeout).await;
        run_on(Venue::of_all(NAME), scenarios, options, open, signals.asked(), sink).await
    })
}

/// This program is its own agent.
pub(crate) fn agent() -> io::Result<AgentProgram> {
    Ok(AgentProgram { path: std::env::current_exe()?, arguments: vec![OsString::from("agent")] })
}
