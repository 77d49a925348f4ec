//! `verdikt explain`: why an attempt is allowed or denied.

use std::process::ExitCode;

use verdikt_report::explain::explain as explained;
use verdikt_runner::model::predict;
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::diagnostic::Severity;
use verdikt_scenario::loader::{load_policies, parse_attempt, parse_source};
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::topology::Endpoint;

use super::load_scenarios;
use crate::arguments::Explain;
use crate::failure::Failure;
use crate::printer::Printer;

pub(crate) fn explain(arguments: &Explain, printer: &Printer) -> Result<ExitCode, Failure> {
    let Explain { scenario, step, from, attempt, policies, cilium } = arguments;
    let loaded = load_scenarios(std::slice::from_ref(scenario), printer)?;
    let [scenario] = loaded.scenarios.as_slice() else {
        return Err(Failure::wrong(format!("`{}` holds more than one scenario", scenario.display()))
            .hint("name the file of one"));
    };
    let index = step_index(scenario, step.as_deref())?;
    let step = &scenario.steps[index];
    let policies = if policies.is_empty() { None } else { Some(other_policies(arguments, printer)?) };
    let cells = cells(step, from.as_deref(), attempt.as_deref())?;
    let predictions = predict(scenario, index, policies.as_deref(), &cells, *cilium);
    let heading = format!("{} / {}, Cilium {cilium}\n", scenario.name, step.name);
    let texts = cells.iter().zip(&predictions).map(|((source, attempt), prediction)| {
        format!("\n{}", explained(source, attempt, prediction, printer.colour))
    });
    Printer::data(&(heading + &texts.collect::<String>()))?;
    Ok(ExitCode::SUCCESS)
}

fn step_index(scenario: &Scenario, name: Option<&str>) -> Result<usize, Failure> {
    let Some(name) = name else { return Ok(scenario.steps.len() - 1) };
    let found = scenario.steps.iter().position(|step| step.name == name);
    found.ok_or_else(|| {
        let names: Vec<String> = scenario.steps.iter().map(|step| format!("`{}`", step.name)).collect();
        Failure::wrong(format!("the scenario {} has no step `{name}`", scenario.name))
            .hint(format!("its steps are {}", names.join(", ")))
    })
}

fn other_policies(arguments: &Explain, printer: &Printer) -> Result<Vec<Manifest>, Failure> {
    let loaded = load_policies(&arguments.policies);
    if loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(Failure::mistakes(loaded.diagnostics, loaded.sources));
    }
    printer.diagnostics(&loaded.diagnostics, &loaded.sources);
    Ok(loaded.manifests)
}

/// The cells asked for: of the step's table, or any other that its topology can make.
fn cells(
    step: &Step,
    from: Option<&str>,
    attempt: Option<&str>,
) -> Result<Vec<(Endpoint, Attempt)>, Failure> {
    let wrong = |message: String, help: Option<String>| {
        let failure = Failure::wrong(message);
        match help {
            Some(help) => failure.hint(help),
            None => failure,
        }
    };
    let source = from.map(|text| parse_source(text, &step.topology).map_err(|m| wrong(m.message, m.help)));
    let source = source.transpose()?;
    let attempt =
        attempt.map(|text| parse_attempt(text, &step.topology).map_err(|m| wrong(m.message, m.help)));
    let attempt = attempt.transpose()?;
    if let (Some(source), Some(attempt)) = (&source, &attempt) {
        return Ok(vec![(source.clone(), attempt.clone())]);
    }
    let in_table =
        step.table.iter().flat_map(|row| row.cells.iter().map(|(source, _)| (source, &row.attempt)));
    let asked: Vec<(Endpoint, Attempt)> = in_table
        .filter(|(from, _)| source.as_ref().is_none_or(|source| source == *from))
        .filter(|(_, tried)| attempt.as_ref().is_none_or(|attempt| attempt == *tried))
        .map(|(source, attempt)| (source.clone(), attempt.clone()))
        .collect();
    if asked.is_empty() {
        return Err(Failure::nothing(format!("the table of the step `{}` has no such cell", step.name))
            .hint("give both `--from` and `--attempt` to ask for one that is not in the table"));
    }
    Ok(asked)
}
