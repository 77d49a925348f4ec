//! Runs scenarios, and collects the events.

use std::io;

use verdikt_runner::model;
use verdikt_runner::plan::RunOptions;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::Event;

/// The events of scenarios in the policy model.
pub(crate) fn of_model(scenarios: &[Scenario], version: CiliumVersion) -> Vec<Event> {
    collect(|sink| model::run(scenarios, &options(version), sink).map(drop))
}

/// The events of a scenario in the lab.
#[cfg(all(feature = "lab", target_os = "linux"))]
pub(crate) fn of_lab(scenario: &Scenario, version: CiliumVersion) -> Result<Vec<Event>, io::Error> {
    use verdikt_runner::lab;

    let options = options(version);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let scenarios = std::slice::from_ref(scenario);
    Ok(collect(|sink| {
        let stop = Box::pin(std::future::pending());
        runtime.block_on(lab::run(scenarios, &options, verdikt_probe::probe::over, stop, sink)).map(drop)
    }))
}

/// How scenarios run.
pub(crate) fn options(version: CiliumVersion) -> RunOptions {
    RunOptions { version, ..RunOptions::default() }
}

fn collect(run: impl FnOnce(&mut dyn FnMut(Event) -> io::Result<()>) -> io::Result<()>) -> Vec<Event> {
    let mut events = Vec::new();
    let ran = run(&mut |event| {
        events.push(event);
        Ok(())
    });
    // A run fails only if its sink does, and the one above never fails.
    assert!(ran.is_ok());
    events
}
