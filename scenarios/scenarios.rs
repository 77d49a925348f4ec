//! Runs the scenario set: one test for every step, named `scenario::step`, and one for the whole set under each
//! older Cilium version.
//!
//! Steps run in the lab, with real sockets; where there can be no lab, and with `VERDIKT_ON=model`, with the engine
//! alone. With `VERDIKT_ON=kind[:PROFILE]` or `VERDIKT_ON=cluster[:CONTEXT]` they run on a cluster, by `verdikt run`;
//! what cannot run there is ignored. The older versions are the engine's.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use verdikt_lab::enter::enter;
use verdikt_lab::namespace::AgentProgram;
use verdikt_report::terminal::{Options, Terminal};
use verdikt_runner::lab::LabBackend;
use verdikt_runner::plan::RunOptions;
use verdikt_runner::run::{Venue, run_on};
use verdikt_runner::{lab, model};
use verdikt_scenario::diagnostic;
use verdikt_scenario::loader::{Loaded, load};
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::Event;
use verdikt_verdict::outcome::{Outcome, Totals};

/// The word that makes this program the agent of a lab's endpoint.
const AGENT: &str = "agent";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(AGENT) {
        return verdikt_probe::agent::main(None, None);
    }
    let arguments = Arguments::from_args();
    let place = if arguments.list { Place::Model } else { place() };
    let Loaded { scenarios, diagnostics, sources, .. } = load(&[PathBuf::from(verdikt_scenarios::FOLDER)]);
    let mut trials = Vec::new();
    let mistakes = verdikt_runner::mistakes(&scenarios, CiliumVersion::default());
    let problems: Vec<_> = diagnostics.into_iter().chain(mistakes).collect();
    trials.push(Trial::test("the set loads without a mistake", move || {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Failed::from(diagnostic::render(&problems, &sources, false)))
        }
    }));
    for version in CiliumVersion::ALL {
        let newest = version == CiliumVersion::default();
        let events = match &place {
            Place::Lab if newest => lab_events(&scenarios),
            Place::Cluster(backend) if newest => cluster_events(backend),
            _ => events(&scenarios, version),
        };
        if newest {
            trials.extend(steps(&events));
        } else {
            trials
                .push(Trial::test(format!("the whole set under Cilium {version}"), move || verdict(&events)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn events(scenarios: &[Scenario], version: CiliumVersion) -> Vec<Event> {
    let mut events = Vec::new();
    let options = RunOptions { version, ..RunOptions::default() };
    let told = model::run(scenarios, &options, &mut |event| {
        events.push(event);
        Ok(())
    });
    // The sink above never fails.
    assert!(told.is_ok());
    events
}

/// Where the steps run.
enum Place {
    Model,
    Lab,
    /// As `verdikt run --on` takes it.
    Cluster(String),
}

/// Where the steps are to run. To be asked before there is a second thread.
#[expect(clippy::print_stderr, reason = "a test that runs with less than it could says so")]
fn place() -> Place {
    match std::env::var("VERDIKT_ON").as_deref() {
        Ok("model") => Place::Model,
        Ok("lab") => {
            enter().expect("VERDIKT_ON=lab asks for a lab");
            Place::Lab
        }
        Ok(other) => match other.split(':').next() {
            Some("kind" | "cluster") => Place::Cluster(other.to_owned()),
            _ => panic!("VERDIKT_ON is lab, model, kind[:PROFILE] or cluster[:CONTEXT], not {other}"),
        },
        Err(_) => match enter() {
            Ok(_) => Place::Lab,
            Err(obstacle) => {
                eprintln!("the engine alone, without sockets: {obstacle}");
                Place::Model
            }
        },
    }
}

/// The events of a run on a cluster. The program says on the standard error why there is none.
fn cluster_events(backend: &str) -> Vec<Event> {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster-events.jsonl");
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "verdikt", "--", "run", "--quiet", "--on", backend, "--events"])
        .args([log.as_path(), Path::new(verdikt_scenarios::FOLDER)])
        .stdout(Stdio::null())
        .status();
    let text = std::fs::read_to_string(&log).unwrap_or_else(|error| {
        panic!("a run on {backend} that ended with {status:?} has no event log: {error}");
    });
    // The last line of a run that was killed may be cut off.
    let events: Vec<Event> = text.lines().map_while(|line| Event::from_line(line).ok()).collect();
    assert!(
        matches!(events.last(), Some(Event::RunFinished(_))),
        "the run on {backend} broke off: {status:?}"
    );
    // No later run is to find it.
    let _ = std::fs::remove_file(&log);
    events
}

fn lab_events(scenarios: &[Scenario]) -> Vec<Event> {
    let mut events = Vec::new();
    let options = RunOptions::default();
    let path = std::env::current_exe().expect("this program has a path");
    let agent = AgentProgram { path, arguments: vec![AGENT.into()] };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let open = async |_| LabBackend::open(agent.clone(), options.timeout).await;
    let mut sink = |event| {
        events.push(event);
        Ok(())
    };
    let run = run_on(Venue::of_all(lab::NAME), scenarios, &options, open, std::future::pending(), &mut sink);
    // The sink above never fails.
    assert!(runtime.block_on(run).is_ok());
    events
}

/// A test for every step, from the events between its beginning and its end.
fn steps(events: &[Event]) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut step: Vec<Event> = Vec::new();
    for event in events {
        if let Event::ScenarioFailed(failed) = event {
            let reason = failed.reason.clone();
            trials.push(Trial::test(failed.scenario.clone(), move || Err(Failed::from(reason))));
        }
        if let Event::ScenarioSkipped(skipped) = event {
            trials.push(Trial::test(skipped.scenario.clone(), || Ok(())).with_ignored_flag(true));
        }
        if let Event::StepStarted(_) = event {
            step.clear();
        }
        step.push(event.clone());
        if let Event::StepFinished(finished) = event {
            let events = std::mem::take(&mut step);
            let name = format!("{}::{}", finished.scenario, finished.step);
            trials.push(Trial::test(name, move || verdict(&events)));
        }
    }
    trials
}

fn verdict(events: &[Event]) -> Result<(), Failed> {
    if Outcome::of(&Totals::of(events)) == Outcome::AsExpected {
        return Ok(());
    }
    let mut terminal =
        Terminal::new(Options { width: 100, colour: false, quiet: true, command: "verdikt run".to_owned() });
    let shown: String = events.iter().map(|event| terminal.push(event)).collect();
    Err(Failed::from(shown))
}
