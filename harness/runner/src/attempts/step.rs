//! Makes the attempts of one step, by the routes that they can take.

use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::scenario::Step;
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::evidence::Evidence;

use super::Gone;
use super::backends::see_each_backend;
use super::retry::{AttemptOptions, attempt_all};
use crate::backend::{AttemptNumbers, Backend, DatapathKind};
use crate::cell::CellEvidence;
use crate::filter::all_cells;
use crate::plan::RunOptions;

/// How many stages an attempt has at most, each with its own timeout: two look-ups, a connection, a request.
const STAGES: u32 = 4;

/// Makes the attempts of a step: first those by address, then those that ask the DNS server, whose proxy learns names from
/// them. Returns the evidence of every cell in the order of the table. Cells that are not selected are attempted too,
/// because names that they look up stay known in later steps.
pub(crate) async fn attempt<B: Backend>(
    step: &Step,
    attempts_of_rows: &[Vec<Attempt>],
    backend: &mut B,
    options: &RunOptions,
    numbers: &AttemptNumbers,
    gone: &mut Gone,
) -> Vec<CellEvidence> {
    let attempt_options = attempt_options(step, options, numbers);
    let datapath = backend.datapath();
    let attempts: Vec<StepAttempt<'_>> = all_cells(step)
        .flat_map(|cell| {
            let of_row = attempts_of_rows[cell.row_index].iter().enumerate();
            of_row.map(move |(index, attempt)| StepAttempt {
                cell_index: cell.index,
                index,
                source: cell.source,
                attempt,
            })
        })
        .collect();
    let mut evidence: Vec<Vec<Evidence>> = vec![Vec::new(); attempts.len()];
    for route in [AttemptRoute::Direct, AttemptRoute::AnyBackend, AttemptRoute::Asking] {
        let chosen =
            attempts.iter().enumerate().filter(|(_, made)| AttemptRoute::of(made.attempt, datapath) == route);
        let (indices, chosen): (Vec<usize>, Vec<(&Endpoint, &Attempt)>) =
            chosen.map(|(index, made)| (index, (made.source, made.attempt))).unzip();
        if chosen.is_empty() {
            continue;
        }
        let seen = match route {
            AttemptRoute::AnyBackend => see_each_backend(backend, &chosen, &attempt_options, gone).await,
            AttemptRoute::Direct | AttemptRoute::Asking => {
                attempt_all(backend, &chosen, &attempt_options, gone)
                    .await
                    .into_iter()
                    .map(|one| vec![one])
                    .collect()
            }
        };
        indices.into_iter().zip(seen).for_each(|(index, seen)| evidence[index] = seen);
    }
    let mut of_cells: Vec<CellEvidence> = all_cells(step).map(|_| CellEvidence::default()).collect();
    for (made, evidence) in attempts.iter().zip(evidence) {
        let evidence = evidence.into_iter().map(|evidence| (made.index, evidence));
        of_cells[made.cell_index].0.extend(evidence);
    }
    of_cells
}

/// How the attempts of a step are made.
pub(crate) fn attempt_options<'a>(
    step: &Step,
    options: &RunOptions,
    numbers: &'a AttemptNumbers,
) -> AttemptOptions<'a> {
    AttemptOptions {
        patience: options.timeout * STAGES,
        audit: step.enforcement.audit || !step.topology.audited.is_empty(),
        numbers,
    }
}

/// An attempt of a step.
struct StepAttempt<'a> {
    /// The index of its cell in the step.
    cell_index: usize,
    /// Its index among the attempts of the cell.
    index: usize,
    source: &'a Endpoint,
    attempt: &'a Attempt,
}

/// The route of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AttemptRoute {
    /// To its target's own address.
    Direct,
    /// Through a service, which leads to one of several backends.
    AnyBackend,
    /// By a name that is looked up first.
    Asking,
}

impl AttemptRoute {
    fn of(attempt: &Attempt, datapath: DatapathKind) -> Self {
        match datapath {
            _ if asks(attempt) => Self::Asking,
            DatapathKind::Cilium if attempt.backend().is_some() => Self::AnyBackend,
            DatapathKind::Cilium | DatapathKind::Lab => Self::Direct,
        }
    }
}

fn asks(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Dns { .. }) || matches!(attempt.target(), Some(Target::Name(_)))
}
