//! Runs the scenario set: one test for every step, named `scenario::step`, and one for the whole set under each
//! older Cilium version.
//!
//! A scenario runs when the first test of one of its steps does, and once for all of them: what a filter leaves out
//! costs nothing. Steps run in the lab, with real sockets; where there can be no lab, and with `VERDIKT_ON=model`, with
//! the engine alone. With `VERDIKT_ON=kind[:PROFILE]` or `VERDIKT_ON=cluster[:CONTEXT]` the scenarios that the filter
//! leaves run on a cluster, by one `verdikt run`; what cannot run there is ignored. The older versions are the engine's.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use verdikt_lab::enter::enter;
use verdikt_lab::namespace::ProbeProgram;
use verdikt_report::terminal::{Options, Terminal};
use verdikt_runner::lab::LabBackend;
use verdikt_runner::plan::RunOptions;
use verdikt_runner::run::{BackendChoice, run_on};
use verdikt_runner::{lab, model};
use verdikt_scenario::diagnostic;
use verdikt_scenario::loader::{Loaded, load};
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::Event;
use verdikt_verdict::run_result::{RunResult, Totals};

/// The word that makes this program the probe of a lab's endpoint.
const PROBE: &str = "probe";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(PROBE) {
        return verdikt_probe::probe::main(None, None);
    }
    let arguments = Arguments::from_args();
    let backend = if arguments.list { Backend::Model } else { backend() };
    let Loaded { scenarios, diagnostics, sources, .. } = load(&[PathBuf::from(verdikt_scenarios::FOLDER)]);
    let scenarios: Arc<[Scenario]> = scenarios.into();
    let mut trials = Vec::new();
    {
        let scenarios = Arc::clone(&scenarios);
        trials.push(Trial::test("the set loads without a mistake", move || {
            let mistakes = verdikt_runner::mistakes(&scenarios, CiliumVersion::default());
            let problems: Vec<_> = diagnostics.into_iter().chain(mistakes).collect();
            if problems.is_empty() {
                Ok(())
            } else {
                Err(Failed::from(diagnostic::render(&problems, &sources, false)))
            }
        }));
    }
    for version in CiliumVersion::ALL.into_iter().filter(|version| *version != CiliumVersion::default()) {
        let scenarios = Arc::clone(&scenarios);
        let name = format!("the whole set under Cilium {version}");
        trials.push(Trial::test(name, move || verdict(&model_events(&scenarios, version))));
    }
    let is_wanted = |scenario: &Scenario| {
        let named = |name: String| Trial::test(name, || Ok(()));
        scenario.steps.iter().any(|step| !arguments.is_filtered_out(&named(test_name(scenario, &step.name))))
    };
    let runs: Arc<Runs> = Arc::new(match backend {
        Backend::Cluster(name) => {
            let files = scenarios
                .iter()
                .filter(|scenario| is_wanted(scenario))
                .map(|scenario| PathBuf::from(&*scenario.place.file))
                .collect();
            Runs::Cluster { backend: name, files, events: OnceLock::new() }
        }
        Backend::Lab => {
            Runs::Here { run: lab_events, events: scenarios.iter().map(|_| OnceLock::new()).collect() }
        }
        Backend::Model => {
            let run =
                |scenario: &Scenario| model_events(std::slice::from_ref(scenario), CiliumVersion::default());
            Runs::Here { run, events: scenarios.iter().map(|_| OnceLock::new()).collect() }
        }
    });
    for (index, scenario) in scenarios.iter().enumerate() {
        for step in &scenario.steps {
            let (runs, scenarios, step) = (Arc::clone(&runs), Arc::clone(&scenarios), step.name.clone());
            let name = test_name(scenario, &step);
            trials.push(Trial::ignorable_test(name, move || {
                let scenario = &scenarios[index];
                step_completion(runs.events(index, scenario), &scenario.name, &step)
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn test_name(scenario: &Scenario, step: &str) -> String {
    format!("{}::{step}", scenario.name)
}

/// Where the steps run.
enum Backend {
    Model,
    Lab,
    /// As `verdikt run --on` takes it.
    Cluster(String),
}

/// Where the steps are to run. To be asked before there is a second thread.
#[expect(clippy::print_stderr, reason = "a test that runs with less than it could says so")]
fn backend() -> Backend {
    match std::env::var("VERDIKT_ON").as_deref() {
        Ok("model") => Backend::Model,
        Ok("lab") => {
            enter().expect("VERDIKT_ON=lab asks for a lab");
            Backend::Lab
        }
        Ok(other) => match other.split(':').next() {
            Some("kind" | "cluster") => Backend::Cluster(other.to_owned()),
            _ => panic!("VERDIKT_ON is lab, model, kind[:PROFILE] or cluster[:CONTEXT], not {other}"),
        },
        Err(_) => match enter() {
            Ok(_) => Backend::Lab,
            Err(obstacle) => {
                eprintln!("the engine alone, without sockets: {obstacle}");
                Backend::Model
            }
        },
    }
}

/// The events of the scenarios that tests have asked for, each run at most once.
enum Runs {
    /// In this process, scenario by scenario.
    Here { run: fn(&Scenario) -> Vec<Event>, events: Vec<OnceLock<Vec<Event>>> },
    /// On a cluster, all scenarios of these files at once.
    Cluster { backend: String, files: Vec<PathBuf>, events: OnceLock<Vec<Event>> },
}

impl Runs {
    /// The events of a run that contains the scenario with this index.
    fn events(&self, index: usize, scenario: &Scenario) -> &[Event] {
        match self {
            Self::Here { run, events } => events[index].get_or_init(|| run(scenario)),
            Self::Cluster { backend, files, events } => events.get_or_init(|| cluster_events(backend, files)),
        }
    }
}

fn model_events(scenarios: &[Scenario], version: CiliumVersion) -> Vec<Event> {
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

/// The events of a run on a cluster. The program says on the standard error why there is none.
fn cluster_events(backend: &str, files: &[PathBuf]) -> Vec<Event> {
    let log =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-events-{}.jsonl", std::process::id()));
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "verdikt", "--", "run", "--quiet", "--on", backend, "--events"])
        .arg(&log)
        .args(files)
        // Nobody is asked in a test: VERDIKT_YES and VERDIKT_CLUSTERWIDE say what may be used.
        .stdin(Stdio::null())
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

fn lab_events(scenario: &Scenario) -> Vec<Event> {
    let mut events = Vec::new();
    let options = RunOptions::default();
    let path = std::env::current_exe().expect("this program has a path");
    let probe = ProbeProgram { path, arguments: vec![PROBE.into()] };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let open = async |_| LabBackend::open(probe.clone(), options.timeout).await;
    let mut sink = |event| {
        events.push(event);
        Ok(())
    };
    let scenarios = std::slice::from_ref(scenario);
    let run = run_on(
        BackendChoice::of_all(lab::NAME),
        scenarios,
        &options,
        open,
        std::future::pending(),
        &mut sink,
    );
    // The sink above never fails.
    assert!(runtime.block_on(run).is_ok());
    events
}

/// How the test of a step ends, from the events between the step's beginning and its end.
fn step_completion(events: &[Event], scenario: &str, step: &str) -> Result<Completion, Failed> {
    let mut of_the_step = Vec::new();
    for event in events {
        match event {
            Event::ScenarioFailed(failed) if failed.scenario == scenario => {
                return Err(Failed::from(&failed.reason));
            }
            Event::ScenarioSkipped(skipped) if skipped.scenario == scenario => {
                return Ok(Completion::ignored_with(&skipped.because));
            }
            Event::StepStarted(started) if started.scenario == scenario && started.step == step => {
                of_the_step.push(event.clone());
            }
            Event::StepFinished(finished) if finished.scenario == scenario && finished.step == step => {
                of_the_step.push(event.clone());
                return verdict(&of_the_step).map(|()| Completion::Completed);
            }
            _ if !of_the_step.is_empty() => of_the_step.push(event.clone()),
            _ => {}
        }
    }
    Err(Failed::from("the run has no verdict on this step"))
}

fn verdict(events: &[Event]) -> Result<(), Failed> {
    if RunResult::of(&Totals::of(events)) == RunResult::AsExpected {
        return Ok(());
    }
    let mut terminal =
        Terminal::new(Options { width: 100, colour: false, quiet: true, command: "verdikt run".to_owned() });
    let shown: String = events.iter().map(|event| terminal.push(event)).collect();
    Err(Failed::from(shown))
}
