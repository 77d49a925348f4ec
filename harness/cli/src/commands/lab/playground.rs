//! The running lab itself: brings a step up, tells its verdicts, and again whenever a file is saved.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;
use verdikt_lab::control::{FollowingFlows, LabAnswer, LabRequest};
use verdikt_report::terminal::{Detail, Terminal, TerminalOptions};
use verdikt_runner::backend::Backend as _;
use verdikt_runner::lab::{LabBackend, NAME};
use verdikt_runner::plan::{RunOptions, StepHistory};
use verdikt_runner::run::StepRun;
use verdikt_scenario::diagnostic::Severity;
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_verdict::event::Event;

use super::told;
use super::watch::Watch;
use crate::arguments::LabArguments;
use crate::commands::run::lab::{no_lab, probe};
use crate::commands::{load_scenarios, runtime};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::signals;

/// The verdicts of a step, by attempt and source in words.
type Verdicts = BTreeMap<(String, String), String>;

pub(super) fn play(arguments: &LabArguments, file: &Path, printer: &Printer) -> Result<ExitCode, Failure> {
    let loaded = load_scenarios(&[file.to_owned()], arguments.files.reach(), printer)?;
    let [scenario] = loaded.scenarios.as_slice() else {
        return Err(Failure::wrong(format!("`{}` has {} scenarios", file.display(), loaded.scenarios.len()))
            .hint("a lab is for one; name its file"));
    };
    find_step(scenario, arguments.step.as_deref())?;
    verdikt_lab::enter::enter().map_err(|obstacle| no_lab(&obstacle))?;
    runtime()?.block_on(keep_up(arguments, file, scenario, printer))
}

fn find_step<'a>(scenario: &'a Scenario, name: Option<&str>) -> Result<&'a Step, Failure> {
    let step = match name {
        Some(name) => scenario.steps.iter().find(|step| step.name == name),
        None => scenario.steps.last(),
    };
    step.ok_or_else(|| {
        let names: Vec<String> = scenario.steps.iter().map(|step| format!("`{}`", step.name)).collect();
        Failure::wrong(format!("there is no such step; the scenario has {}", names.join(", ")))
    })
}

async fn keep_up(
    arguments: &LabArguments,
    file: &Path,
    scenario: &Scenario,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let failed =
        |error: std::io::Error| Failure::machine("the lab cannot start").cause(&error).limited_by(&error);
    let signals = signals::hold();
    let options = RunOptions { version: arguments.cilium, ..RunOptions::default() };
    let program = probe().map_err(failed)?;
    let backend = LabBackend::open(program, options.timeout).await;
    let mut backend = backend.map_err(|error| Failure::from_error(&error))?;
    let (tells, mut flows) = mpsc::unbounded_channel();
    backend.follow(tells);
    let listener = told::listen(&scenario.name).map_err(failed)?;
    let mut watch = Watch::start()
        .map_err(|error| Failure::machine("files cannot be watched").cause(&error).limited_by(&error))?;
    let (asks, mut asked) = mpsc::unbounded_channel();
    let mut followers: Vec<OwnedWriteHalf> = Vec::new();
    let mut playground = Playground {
        options,
        step: arguments.step.clone(),
        attempts: Cell::new(0),
        past: StepHistory::default(),
    };

    let stop = signals.asked();
    tokio::pin!(stop);
    let first = find_step(scenario, arguments.step.as_deref())?;
    let mut events = Vec::new();
    let mut before = playground.try_out(scenario, first, &mut backend, &mut events).await?;
    show(&events, printer)?;
    Printer::data(&welcome(&backend, first))?;
    let mut topology = first.topology.clone();
    follow_files(&mut watch, file, scenario)?;
    loop {
        tokio::select! {
            () = &mut stop => return Ok(ExitCode::SUCCESS),
            _ = backend.next() => {}
            Some(flow) = flows.recv() => told::broadcast(&mut followers, flow).await,
            Ok((stream, _)) = listener.accept() => {
                let asks = asks.clone();
                tokio::spawn(async move {
                    if let Some(ask) = told::asked(stream).await {
                        // Nobody answers any more only while the lab ends.
                        let _ = asks.send(ask);
                    }
                });
            }
            Some((ask, mut write)) = asked.recv() => match ask {
                LabRequest::Flows => {
                    let following = FollowingFlows { following: scenario.name.clone() };
                    // Whom it does not reach the next flow does not reach either.
                    let _ = told::answer(&mut write, &LabAnswer::Following(following)).await;
                    followers.push(write);
                }
                LabRequest::Inside { endpoint } => {
                    // A client that has gone needs no answer.
                    let _ = told::answer(&mut write, &told::inside(&backend, &topology, &endpoint)).await;
                }
            },
            names = watch.changed() => {
                if names.is_empty() {
                    continue;
                }
                let paths = [file.to_owned()];
                let loaded = verdikt_manifests::situation::loader(&paths, arguments.files.reach()).scenarios(&paths);
                printer.diagnostics(&loaded.diagnostics, &loaded.sources);
                let wrong = loaded.diagnostics.iter().any(|found| found.severity == Severity::Error);
                let (false, [scenario]) = (wrong, loaded.scenarios.as_slice()) else {
                    Printer::tell("the policies before stay in force\n");
                    continue;
                };
                let step = match find_step(scenario, playground.step.as_deref()) {
                    Ok(step) => step,
                    Err(failure) => {
                        printer.failure(&failure);
                        continue;
                    }
                };
                events.clear();
                let now = playground.try_out(scenario, step, &mut backend, &mut events).await?;
                Printer::data(&changes(&names, &before, &now, &events))?;
                before = now;
                topology = step.topology.clone();
                follow_files(&mut watch, file, scenario)?;
            }
        }
    }
}

/// What is kept from one save to the next.
struct Playground {
    options: RunOptions,
    step: Option<String>,
    attempts: Cell<u64>,
    past: StepHistory,
}

impl Playground {
    async fn try_out(
        &mut self,
        scenario: &Scenario,
        step: &Step,
        backend: &mut LabBackend,
        events: &mut Vec<Event>,
    ) -> Result<Verdicts, Failure> {
        let run = StepRun { scenario, step, options: &self.options, attempts: &self.attempts };
        let mut sink = |event| {
            events.push(event);
            Ok(())
        };
        let left = run.run(backend, &self.past, &mut sink).await;
        self.past = left.map_err(|error| Failure::from_error(&error))?;
        let cells = events.iter().filter_map(|event| match event {
            Event::CellJudged(cell) => Some(cell),
            _ => None,
        });
        Ok(cells
            .map(|cell| ((cell.attempt.to_string(), cell.source.to_string()), cell.verdict.to_string()))
            .collect())
    }
}

fn show(events: &[Event], printer: &Printer) -> Result<(), Failure> {
    let mut terminal = Terminal::new(TerminalOptions {
        width: Printer::width(),
        colour: printer.colour,
        detail: Detail::Tables,
        command: format!("verdikt run --on {NAME}"),
    });
    events.iter().try_for_each(|event| Printer::data(&terminal.push(event)))
}

fn welcome(backend: &LabBackend, step: &Step) -> String {
    let addresses = backend.lab().addresses();
    let mut lines = vec![String::new(), "the lab is up:".to_owned()];
    let shown =
        |list: &[std::net::IpAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let endpoints = addresses.endpoints.keys().map(|endpoint| endpoint.to_string().len());
    let services = addresses.services.keys().map(|service| service.to_string().len());
    let width = endpoints.chain(services).max().unwrap_or(0);
    for (endpoint, list) in &addresses.endpoints {
        lines.push(format!("  {:width$}  {}", endpoint.to_string(), shown(list)));
    }
    for (service, list) in &addresses.services {
        lines.push(format!("  {:width$}  {}  (service)", service.to_string(), shown(list)));
    }
    let pod = step.topology.sources().first().map_or_else(|| "POD".to_owned(), ToString::to_string);
    lines.extend([
        String::new(),
        format!("in another terminal:  verdikt lab exec {pod} -- curl http://..."),
        "                      verdikt lab flows".to_owned(),
        "saved policy files are put in force at once; Ctrl-C ends the lab".to_owned(),
    ]);
    lines.join("\n") + "\n"
}

/// A line for every cell whose verdict changed, after what was saved.
fn changes(names: &BTreeSet<String>, before: &Verdicts, now: &Verdicts, events: &[Event]) -> String {
    let mut lines = Vec::new();
    for event in events {
        if let Event::ObjectJudged(judged) = event
            && let Some(refused) = &judged.refused
        {
            lines.push(format!("  {} is refused: {}", judged.object, refused.message));
        }
    }
    for (cell, verdict) in now {
        let (attempt, source) = cell;
        match before.get(cell) {
            Some(same) if same == verdict => {}
            Some(old) => lines.push(format!("  {attempt} from {source}: {old} -> {verdict}")),
            None => lines.push(format!("  {attempt} from {source}: {verdict} (new)")),
        }
    }
    for (attempt, source) in before.keys().filter(|cell| !now.contains_key(*cell)) {
        lines.push(format!("  {attempt} from {source}: no more in the table"));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let count = if lines.is_empty() { ", no verdict changed".to_owned() } else { String::new() };
    lines.insert(0, format!("{} saved{count}", names.join(", ")));
    lines.join("\n") + "\n"
}

fn follow_files(watch: &mut Watch, file: &Path, scenario: &Scenario) -> Result<(), Failure> {
    let policies = scenario.steps.iter().flat_map(|step| &step.policies);
    let files: BTreeSet<PathBuf> =
        policies.map(|policy| PathBuf::from(policy.file.as_ref())).chain([file.to_owned()]).collect();
    watch
        .files(files.iter().map(PathBuf::as_path))
        .map_err(|error| Failure::machine("files cannot be watched").cause(&error).limited_by(&error))
}
