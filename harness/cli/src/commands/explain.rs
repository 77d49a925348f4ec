//! `verdikt explain`: why an attempt is allowed or denied.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use verdikt_engine::acceptance::Refused;
use verdikt_engine::model::PolicyModel;
use verdikt_report::explain::{
    ExplainStyle, Explained, ExplainedCell, explain as explained, explain_unreachable, json,
};
use verdikt_report::text::wrap;
use verdikt_runner::model::model_of_step;
use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::cell_name::StepName;
use verdikt_scenario::diagnostic::Severity;
use verdikt_scenario::expect::Expected;
use verdikt_scenario::loader::{Loader, as_source_means_it, parse_attempt, parse_source};
use verdikt_scenario::plain::{Plain, counted};
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::prediction::{Answer, Prediction};
use verdikt_scenario::scenario::Step;
use verdikt_scenario::topology::Endpoint;
use verdikt_scenario::unreachable::Unreachable;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::{CellResult, Verdict, compare};

use super::{load_scenarios, tell_skipped, tell_unrendered};
use crate::arguments::{ExplainArguments, Format};
use crate::exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::situation::step_index;

/// Up to this many cells are explained although nothing differs.
const FEW: usize = 20;

pub(crate) fn explain(arguments: &ExplainArguments, printer: &Printer) -> Result<ExitCode, Failure> {
    let ExplainArguments { scenario, step, from, attempt, policies, cilium, format, files } = arguments;
    let loaded = load_scenarios(std::slice::from_ref(scenario), files.reach(), printer)?;
    let [scenario] = loaded.scenarios.as_slice() else {
        return Err(Failure::wrong(format!("`{}` holds more than one scenario", scenario.display()))
            .hint("name the file of one"));
    };
    let index = step_index(scenario, step.as_deref())?;
    let step = &scenario.steps[index];
    let others = if policies.is_empty() { None } else { Some(other_policies(arguments, printer)?) };
    let asked = cells(step, from.as_deref(), attempt.as_deref())?;
    let why = |(source, attempt): &(Endpoint, Attempt)| Unreachable::of(&step.topology, source, attempt);
    let (unseen, cells): (Vec<_>, Vec<_>) = asked.into_iter().partition(|cell| why(cell).is_some());
    let Some(model) = model_of_step(scenario, index, others.as_deref(), *cilium) else {
        unreachable!("the step was looked up in this scenario");
    };
    let mut explained_cells = predict_each(&model, &cells);
    if from.is_none() && attempt.is_none() {
        explained_cells = worth_explaining(step, explained_cells, *cilium)?;
    }
    let notes = refused(&model, others.as_deref().unwrap_or(&step.policies));
    let abstains = explained_cells.iter().any(|(.., prediction)| prediction.answer == Answer::Abstain);
    let code = ExitCode::from(if abstains { exit::INCONCLUSIVE } else { exit::AS_EXPECTED });
    if *format == Format::Json {
        let cells = explained_cells.iter();
        let cells = cells.map(|(source, attempt, said)| ExplainedCell::new(source, attempt, said));
        let unseen =
            unseen.iter().filter_map(|cell| Some(ExplainedCell::unreachable(&cell.0, &cell.1, &why(cell)?)));
        let cells = cells.chain(unseen);
        let (scenario, step, cilium) = (&*scenario.name, &*step.name, cilium.to_string());
        let explained = Explained { scenario, step, cilium, not_in_force: &notes, cells: cells.collect() };
        let text = json(&explained);
        let text = text.map_err(|error| Failure::machine("cannot write the answer as JSON").cause(&error))?;
        Printer::json(&text)?;
        return Ok(code);
    }
    let name = Plain::line(&StepName { scenario: &scenario.name, step: &step.name }.to_string());
    let mut text = format!("{name}, Cilium {cilium}\n");
    if let Some(others) = &others {
        text += &replaced(policies, others.len());
    }
    let look = ExplainStyle { colour: printer.colour, width: Printer::width() };
    text.extend(notes.iter().flat_map(|note| wrapped(Plain::line(note).as_str(), look.width)));
    text.extend(
        explained_cells.iter().map(|(source, attempt, prediction)| {
            format!("\n{}", explained(source, attempt, prediction, look))
        }),
    );
    text.extend(unseen.iter().filter_map(|cell| {
        let (source, attempt) = cell;
        Some(format!("\n{}", explain_unreachable(source, attempt, &why(cell)?, look)))
    }));
    Printer::data(&text)?;
    Ok(code)
}

/// Chooses the cells of a step to explain: those that differ from the table, or all if they are few.
fn worth_explaining(
    step: &Step,
    all: Vec<(Endpoint, Attempt, Prediction)>,
    version: CiliumVersion,
) -> Result<Vec<(Endpoint, Attempt, Prediction)>, Failure> {
    let replaced = step.replaced_cells(version);
    let cells = step.table.iter().flat_map(|row| row.cells.iter().map(move |cell| (&row.attempt, cell)));
    let expected: BTreeMap<(&Attempt, &Endpoint), &Expected> = cells
        .map(|(attempt, (source, cell))| {
            let cell = replaced.get(&(attempt, source)).map_or(cell, |(replacing, _)| replacing);
            ((attempt, source), &cell.expected)
        })
        .collect();
    let differs = |(source, attempt, prediction): &(Endpoint, Attempt, Prediction)| {
        // An attempt to one backend of a service belongs to the row of the service.
        let row = attempt.to_any_backend();
        expected.get(&(attempt, source)).or_else(|| expected.get(&(&row, source))).is_some_and(|expected| {
            let result = compare(expected, &Verdict::of_prediction(prediction), prediction);
            result != CellResult::AsExpected
        })
    };
    let (count, differing): (usize, Vec<_>) =
        (all.len(), all.iter().filter(|cell| differs(cell)).cloned().collect());
    match (differing.is_empty(), count <= FEW) {
        (false, _) => Ok(differing),
        (true, true) => Ok(all),
        (true, false) => Err(Failure::nothing(format!(
            "all {count} cells of the step `{}` are as the table says: nothing differs to be explained",
            step.name
        ))
        .hint("ask for less: `--attempt 'tcp database/redis:6379'`, `--from shop/cart`, or both")),
    }
}

/// The lines of a text, each with its end.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    wrap(text, width).into_iter().map(|line| line + "\n").collect()
}

/// Predicts each cell. A cell through a service has one prediction for each backend, if they differ.
fn predict_each(
    model: &PolicyModel<'_>,
    cells: &[(Endpoint, Attempt)],
) -> Vec<(Endpoint, Attempt, Prediction)> {
    let to_each = |(source, attempt): &(Endpoint, Attempt)| -> Vec<(Endpoint, Attempt)> {
        attempt
            .to_each_backend(model.topology())
            .into_iter()
            .map(|attempt| (source.clone(), attempt))
            .collect()
    };
    let mut explained = Vec::new();
    for cell in cells {
        let predict = |(source, attempt): (Endpoint, Attempt)| {
            let prediction = model.predict(&source, &attempt);
            (source, attempt, prediction)
        };
        let mut of_cell: Vec<(Endpoint, Attempt, Prediction)> =
            to_each(cell).into_iter().map(predict).collect();
        if of_cell.windows(2).all(|pair| pair[0].2.answer == pair[1].2.answer) {
            of_cell.truncate(1);
            for (_, attempt, _) in &mut of_cell {
                attempt.clone_from(&cell.1);
            }
        }
        explained.extend(of_cell);
    }
    explained
}

/// The line that says that other policies than the step's are used.
fn replaced(paths: &[PathBuf], objects: usize) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let objects = counted(objects, "policy object");
    format!("with {objects} of {} in place of the policies of the step\n", paths.join(", "))
}

/// A sentence for every object that is refused, and so does not affect the answer.
fn refused(model: &PolicyModel<'_>, policies: &[Manifest]) -> Vec<String> {
    let judged = policies.iter().zip(model.acceptances());
    let refused = judged.filter_map(|(manifest, acceptance)| Some((manifest, acceptance.refused()?)));
    let note = |(manifest, refused): (&Manifest, &Refused)| {
        format!(
            "not in force: {} at {}, which {} refuses: {}",
            manifest.object(),
            manifest.place(refused.position),
            refused.by,
            refused.message
        )
    };
    refused.map(note).collect()
}

fn other_policies(arguments: &ExplainArguments, printer: &Printer) -> Result<Vec<Manifest>, Failure> {
    let loaded = Loader::new(&arguments.policies, arguments.files.reach())
        .policies(&arguments.policies, &BTreeSet::new());
    if loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(Failure::mistakes(loaded.diagnostics, loaded.sources));
    }
    printer.diagnostics(&loaded.diagnostics, &loaded.sources);
    if let Some(path) = loaded.without.first() {
        return Err(Failure::wrong(format!("`{}` has no policy", path.display())).hint(
            "policies are in .yaml, .yml and .json files; leave `--policies` out for those of the step",
        ));
    }
    tell_unrendered(&loaded.unrendered, printer);
    tell_skipped((loaded.ignored, loaded.empty_files));
    Ok(loaded.manifests)
}

/// The cells to explain: of the step's table, or any other attempt that the topology allows.
fn cells(
    step: &Step,
    from: Option<&str>,
    attempt: Option<&str>,
) -> Result<Vec<(Endpoint, Attempt)>, Failure> {
    let source = from.map(|text| parse_source(text, &step.topology)).transpose()?;
    let attempt = attempt.map(|text| match &source {
        Some(source) => as_source_means_it(text, source, &step.topology),
        None => text.to_owned(),
    });
    let attempt = attempt.map(|text| parse_attempt(&text, &step.topology)).transpose()?;
    if let (Some(source), Some(attempt)) = (&source, &attempt) {
        if reaches_itself(source, attempt) {
            return Err(Failure::wrong(format!("{source} would reach itself, which no policy ever sees"))
                .hint("what a pod sends to its own address stays inside the pod; ask from another source"));
        }
        return Ok(vec![(source.clone(), attempt.clone())]);
    }
    let is_asked = source.is_some() || attempt.is_some();
    let in_table =
        step.table.iter().flat_map(|row| row.cells.iter().map(|(source, _)| (source, &row.attempt)));
    let asked: Vec<(Endpoint, Attempt)> = in_table
        .filter(|(from, _)| source.as_ref().is_none_or(|source| source == *from))
        // Unless asked for, unreachable cells are left out, as in a run.
        .filter(|(from, tried)| is_asked || Unreachable::of(&step.topology, from, tried).is_none())
        .filter(|(_, tried)| attempt.as_ref().is_none_or(|attempt| attempt == *tried))
        .map(|(source, attempt)| (source.clone(), attempt.clone()))
        .collect();
    if asked.is_empty() {
        return Err(Failure::nothing(format!("the table of the step `{}` has no such cell", step.name))
            .hint("give both `--from` and `--attempt` to ask for one that is not in the table"));
    }
    Ok(asked)
}

/// Whether an attempt goes from an endpoint to its own address, which no table has either.
fn reaches_itself(source: &Endpoint, attempt: &Attempt) -> bool {
    attempt.target().and_then(Target::endpoint) == Some(source)
}
