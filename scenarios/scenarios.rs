//! Runs the scenario set: one test for every step, named `scenario::step`, and one for the whole set under each
//! older Cilium version.

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use verdikt_report::terminal::{Options, Terminal};
use verdikt_runner::model::{RunOptions, run};
use verdikt_scenario::diagnostic;
use verdikt_scenario::loader::{Loaded, load};
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::Event;
use verdikt_verdict::outcome::{Outcome, Totals};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
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
        let events = events(&scenarios, version);
        if version == CiliumVersion::default() {
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
    let told = run(scenarios, &options, &mut |event| {
        events.push(event);
        Ok(())
    });
    // The sink above never fails.
    assert!(told.is_ok());
    events
}

/// A test for every step, from the events between its beginning and its end.
fn steps(events: &[Event]) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut step: Vec<Event> = Vec::new();
    for event in events {
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
