//! Makes the attempts of one step, by the routes that they can take.

use std::cell::Cell;

use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::scenario::Step;
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::evidence::Evidence;

use super::Gone;
use super::backends::see_each_backend;
use super::retry::{AttemptOptions, attempt_all};
use crate::backend::{Backend, DatapathKind};
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
    last: &Cell<u64>,
    gone: &mut Gone,
) -> Vec<CellEvidence> {
    let attempt_options = attempt_options(step, options, last);
    let datapath = backend.datapath();
    let attempts: Vec<StepAttempt<'_>> = all_cells(step)
        .flat_map(|cell| {
            let of_row = attempts_of_rows[cell.row_index].iter().enumerate();
            of_row.map(move |(place, attempt)| StepAttempt {
                cell: cell.index,
                place,
                source: cell.source,
                attempt,
            })
        })
        .collect();
    let mut evidence: Vec<Vec<Evidence>> = vec![Vec::new(); attempts.len()];
    for way in [AttemptRoute::Direct, AttemptRoute::AnyBackend, AttemptRoute::Asking] {
        let chosen =
            attempts.iter().enumerate().filter(|(_, made)| AttemptRoute::of(made.attempt, datapath) == way);
        let (indices, chosen): (Vec<usize>, Vec<(&Endpoint, &Attempt)>) =
            chosen.map(|(index, made)| (index, (made.source, made.attempt))).unzip();
        if chosen.is_empty() {
            continue;
        }
        let seen = match way {
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
        of_cells[made.cell].0.extend(evidence.into_iter().map(|evidence| (made.place, evidence)));
    }
    of_cells
}

/// How the attempts of a step are made.
pub(crate) fn attempt_options<'a>(
    step: &Step,
    options: &RunOptions,
    last: &'a Cell<u64>,
) -> AttemptOptions<'a> {
    AttemptOptions {
        patience: options.timeout * STAGES,
        audit: step.enforcement.audit || !step.topology.audited.is_empty(),
        last,
    }
}

/// An attempt of a step.
struct StepAttempt<'a> {
    /// The index of its cell in the step.
    cell: usize,
    /// Its index among the attempts of the cell.
    place: usize,
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
