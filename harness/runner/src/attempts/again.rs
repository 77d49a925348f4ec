//! Attempts until their evidence is whole: those that need a flow which may be missing are made again.
//!
//! What may be missing decides about that, and neither a verdict nor what anybody expects: no difference is ever
//! attempted again. The last evidence counts, and what was seen before is told with it.

use std::cell::Cell;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::evidence::{Before, Evidence};
use verdikt_verdict::fuse::needs_lost_flow;

use super::{Gone, make};
use crate::backend::{AttemptNumber, Backend, Flowing, Signal};

/// How often an attempt is made at most.
const MOST: usize = 3;
/// How long flows may stay away before nothing is made again.
const ABSENCE: Duration = Duration::from_mins(1);

/// How attempts are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner<'a> {
    /// How long one attempt may take.
    pub(crate) patience: Duration,
    /// Whether audit mode is on.
    pub(crate) audit: bool,
    /// How many attempts the backend has made in its life.
    pub(crate) last: &'a Cell<u64>,
}

/// Makes attempts at the same time, and those that need a flow which may be missing again, when flows come. Answers
/// their evidence, in their order. Endpoints that go are added to `gone`.
pub(crate) async fn made<B: Backend>(
    backend: &mut B,
    attempts: &[(&Endpoint, &Attempt)],
    manner: &Manner<'_>,
    gone: &mut Gone,
) -> Vec<Evidence> {
    let mut evidence = wave(backend, attempts, manner, gone).await;
    for _ in 1..MOST {
        let needy: Vec<usize> =
            (0..evidence.len()).filter(|index| needs_lost_flow(&evidence[*index])).collect();
        if needy.is_empty() || !flows_come(backend, gone).await {
            break;
        }
        let again: Vec<(&Endpoint, &Attempt)> = needy.iter().map(|index| attempts[*index]).collect();
        for (index, new) in needy.into_iter().zip(wave(backend, &again, manner, gone).await) {
            let old = std::mem::replace(&mut evidence[index], new);
            let before = old.lost.map(|lost| Before { outcome: old.observation.outcome, lost });
            evidence[index].again = old.again.into_iter().chain(before).collect();
        }
    }
    evidence
}

async fn wave<B: Backend>(
    backend: &mut B,
    attempts: &[(&Endpoint, &Attempt)],
    manner: &Manner<'_>,
    gone: &mut Gone,
) -> Vec<Evidence> {
    let numbered = attempts.iter().map(|(source, attempt)| {
        manner.last.set(manner.last.get() + 1);
        (AttemptNumber(manner.last.get()), *source, *attempt)
    });
    let numbered: Vec<_> = numbered.collect();
    let mut evidence = make(backend, &numbered, manner.patience, gone).await;
    for evidence in &mut evidence {
        evidence.audit = manner.audit;
    }
    evidence
}

/// Waits until flows come from everywhere, and everything told until then is heard. Answers whether they do.
async fn flows_come<B: Backend>(backend: &mut B, gone: &mut Gone) -> bool {
    let deadline = Instant::now() + ABSENCE;
    loop {
        let told = match backend.flowing() {
            Flowing::Yes => tokio::task::unconstrained(backend.next()).now_or_never(),
            Flowing::NotNow(_) => match tokio::time::timeout_at(deadline, backend.next()).await {
                Ok(signal) => Some(signal),
                Err(_) => return false,
            },
            Flowing::NoMore(_) => return false,
        };
        match told {
            None => return true,
            Some(Signal::Gone(endpoint, reason)) => drop(gone.entry(endpoint).or_insert(reason)),
            // Of attempts that are over, and nothing to those that are made again.
            Some(_) => {}
        }
    }
}
