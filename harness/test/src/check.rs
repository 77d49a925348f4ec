//! Checks the scenarios of one file, in a test of any harness.

use std::path::Path;

use verdikt_manifests::loader;
use verdikt_report::text::run_command;
use verdikt_scenario::diagnostic;
use verdikt_scenario::loader::{FileReach, Loaded};
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::Event;

use crate::backend::{RequestedBackend, version_of_environment};
use crate::cluster::{self, ClusterRun};
use crate::{events, judged};

/// Runs the scenarios of a file, and panics with a report if something is not as expected. A file without scenarios,
/// such as one with policies that a scenario names, is skipped.
///
/// Scenarios that cannot run where they should, or that do not hold for the Cilium version, are skipped too: the
/// output of the test names them.
///
/// # Panics
///
/// If a verdict is not as expected, a file has a mistake, or the scenarios cannot run.
#[track_caller]
#[expect(clippy::print_stderr, clippy::panic, reason = "so speak tests")]
pub fn check(file: impl AsRef<Path>) {
    match run(file.as_ref()) {
        Ok(notes) => notes.iter().for_each(|note| eprintln!("{note}")),
        Err(report) => panic!("{}", report.trim_end()),
    }
}

/// The text to print after success, or the report of a failure.
fn run(file: &Path) -> Result<Vec<String>, String> {
    let requested = RequestedBackend::of_environment().map_err(|error| error.to_string())?;
    let asked = version_of_environment().map_err(|error| error.to_string())?;
    let version = asked.unwrap_or_default();
    let files = [file.to_owned()];
    let mut loader = loader(&files, FileReach::Inside);
    if file.is_file() && !loader.has_scenario(file) {
        return Ok(vec![format!("{} is not a scenario", file.display())]);
    }
    let Loaded { scenarios, mut diagnostics, sources, .. } = loader.scenarios(&files);
    diagnostics.extend(verdikt_runner::mistakes(&scenarios, version));
    if !diagnostics.is_empty() {
        return Err(diagnostic::render(&diagnostics, &sources));
    }
    let mut notes = Vec::new();
    let command = match &requested {
        RequestedBackend::Cluster(on) => run_command(Some(on)),
        RequestedBackend::Best | RequestedBackend::Lab | RequestedBackend::Model => run_command(None),
    };
    let events = match requested {
        RequestedBackend::Model => events::of_model(&scenarios, version),
        RequestedBackend::Cluster(on) => {
            let (on, version, scenarios, sources) = (&*on, asked, &*scenarios, &sources);
            cluster::events(ClusterRun { on, version, scenarios, sources })?
        }
        RequestedBackend::Best | RequestedBackend::Lab => {
            here(&requested, file, &scenarios, version, &mut notes)?
        }
    };
    let skipped = events.iter().filter_map(|event| match event {
        Event::ScenarioSkipped(skipped) => Some(format!("skipped {}: {}", skipped.scenario, skipped.because)),
        _ => None,
    });
    notes.extend(skipped);
    let ran =
        events.iter().any(|event| matches!(event, Event::ScenarioStarted(_) | Event::ScenarioFailed(_)));
    if ran {
        judged::all(&events, &command).map_err(|failed| failed.message().unwrap_or_default().to_owned())?;
    }
    Ok(notes)
}

/// The events of a run on this machine.
#[cfg(all(feature = "lab", target_os = "linux"))]
fn here(
    requested: &RequestedBackend,
    file: &Path,
    scenarios: &[Scenario],
    version: CiliumVersion,
    notes: &mut Vec<String>,
) -> Result<Vec<Event>, String> {
    use crate::role::{LabRun, run_in_lab};

    match run_in_lab(file, version) {
        LabRun::Events(events) => Ok(events),
        LabRun::Impossible(reason) if *requested == RequestedBackend::Best => {
            notes.push(format!("the policy model alone, without sockets: {reason}"));
            Ok(events::of_model(scenarios, version))
        }
        LabRun::Impossible(reason) | LabRun::Failed(reason) => {
            Err(format!("cannot run {} in the lab: {reason}", file.display()))
        }
    }
}

/// The events of a run on this machine.
#[cfg(not(all(feature = "lab", target_os = "linux")))]
fn here(
    requested: &RequestedBackend,
    file: &Path,
    scenarios: &[Scenario],
    version: CiliumVersion,
    _: &mut Vec<String>,
) -> Result<Vec<Event>, String> {
    match requested {
        RequestedBackend::Lab => Err(format!(
            "cannot run {} in the lab: verdikt-test is built without its feature `lab`",
            file.display()
        )),
        _ => Ok(events::of_model(scenarios, version)),
    }
}
