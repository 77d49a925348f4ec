//! The output of a running lab.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use verdikt_report::terminal::{Detail, Terminal, TerminalOptions};
use verdikt_runner::lab::{LabBackend, NAME};
use verdikt_scenario::policy::ObjectRef;
use verdikt_scenario::scenario::Step;
use verdikt_verdict::event::{Event, ObjectJudged};

use crate::failure::Failure;
use crate::printer::Printer;

/// The verdicts of a step, by attempt and source as text.
pub(super) type Verdicts = BTreeMap<(String, String), String>;

/// The verdicts among events.
pub(super) fn verdicts(events: &[Event]) -> Verdicts {
    let cells = events.iter().filter_map(|event| match event {
        Event::CellJudged(cell) => Some(cell),
        _ => None,
    });
    cells
        .map(|cell| ((cell.attempt.to_string(), cell.source.to_string()), cell.verdict.to_string()))
        .collect()
}

fn objects(events: &[Event]) -> impl Iterator<Item = &ObjectJudged> {
    events.iter().filter_map(|event| match event {
        Event::ObjectJudged(judged) => Some(judged),
        _ => None,
    })
}

/// The objects of which a version is in force after these events.
pub(super) fn in_force(events: &[Event], before: &BTreeSet<ObjectRef>) -> BTreeSet<ObjectRef> {
    let stays = |judged: &&ObjectJudged| judged.refused.is_none() || before.contains(&judged.object);
    objects(events).filter(stays).map(|judged| judged.object.clone()).collect()
}

/// A line for every refused object, with what is in force instead.
pub(super) fn refusals(events: &[Event], before: &BTreeSet<ObjectRef>) -> Vec<String> {
    let refused = objects(events).filter_map(|judged| Some((judged, judged.refused.as_ref()?)));
    let line = |(judged, refused): (&ObjectJudged, &verdikt_verdict::event::ObjectRefusal)| {
        let instead = if before.contains(&judged.object) {
            "the old version stays in force"
        } else {
            "nothing of it is in force"
        };
        let ObjectJudged { object, place, .. } = judged;
        format!("  {place}: {object} is refused by {}: {}; {instead}", refused.by, refused.message)
    };
    refused.map(line).collect()
}

/// Prints the result of a step: its table, or, of a step without a table, which objects are refused.
pub(super) fn show(events: &[Event], printer: &Printer) -> Result<(), Failure> {
    if verdicts(events).is_empty() {
        let refused = refusals(events, &BTreeSet::new());
        return refused.iter().try_for_each(|line| Printer::data(&format!("{line}\n")));
    }
    let mut terminal = Terminal::new(TerminalOptions {
        width: Printer::width(),
        colour: printer.colour,
        detail: Detail::Tables,
        command: format!("verdikt run --on {NAME}"),
    });
    events.iter().try_for_each(|event| Printer::data(&terminal.push(event)))
}

/// Lists the endpoints and what can be done with them. `follows` says whether saved files are applied.
pub(super) fn welcome(backend: &LabBackend, step: &Step, follows: bool) -> String {
    let addresses = backend.lab().addresses();
    let head = if step.table.is_empty() { None } else { Some(String::new()) };
    let mut lines: Vec<String> = head.into_iter().chain(["the lab is up:".to_owned()]).collect();
    let shown = |list: &[IpAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let endpoints = addresses.endpoints.keys().map(|endpoint| endpoint.to_string().len());
    let services = addresses.services.keys().map(|service| service.to_string().len());
    let width = endpoints.chain(services).max().unwrap_or(0);
    for (endpoint, list) in &addresses.endpoints {
        let ports: Vec<String> = step.topology.serves(endpoint).iter().map(ToString::to_string).collect();
        let serves = if ports.is_empty() { String::new() } else { format!("  serves {}", ports.join(", ")) };
        lines.push(format!("  {:width$}  {}{serves}", endpoint.to_string(), shown(list)));
    }
    for (service, list) in &addresses.services {
        lines.push(format!("  {:width$}  {}  (service)", service.to_string(), shown(list)));
    }
    let pod = step.topology.sources().first().map_or_else(|| "POD".to_owned(), ToString::to_string);
    let saved = if follows {
        "saved files are applied at once; Ctrl-C ends the lab"
    } else {
        "changed files are not applied; Ctrl-C ends the lab"
    };
    lines.extend([
        String::new(),
        format!("in another terminal:  verdikt lab exec {pod}                       a shell there"),
        format!("                      verdikt lab exec {pod} -- curl http://..."),
        "                      verdikt lab flows".to_owned(),
        saved.to_owned(),
    ]);
    lines.join("\n") + "\n"
}

/// After a save: what is refused, and a line for every cell whose verdict changed.
pub(super) fn changes(
    names: &BTreeSet<String>,
    before: &Verdicts,
    now: &Verdicts,
    refused: Vec<String>,
) -> String {
    let mut lines = refused;
    for (cell, verdict) in now {
        let (attempt, source) = cell;
        match before.get(cell) {
            Some(same) if same == verdict => {}
            Some(old) => lines.push(format!("  {attempt} from {source}: {old} -> {verdict}")),
            None => lines.push(format!("  {attempt} from {source}: {verdict} (new)")),
        }
    }
    for (attempt, source) in before.keys().filter(|cell| !now.contains_key(*cell)) {
        lines.push(format!("  {attempt} from {source}: removed from the table"));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let count = match (lines.is_empty(), now.is_empty()) {
        (true, false) => ", no verdict changed",
        (true, true) => ", and in force",
        (false, _) => "",
    };
    lines.insert(0, format!("{} saved{count}", names.join(", ")));
    lines.join("\n") + "\n"
}
