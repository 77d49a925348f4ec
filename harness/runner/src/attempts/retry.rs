//! Repeats the attempts whose evidence is inconclusive.
//!
//! Only the evidence decides about that, never the expectation: a difference is not attempted again. The last evidence
//! counts, and the earlier one is reported with it. So is a verdict of a cluster that a second attempt does not confirm,
//! where there was reason to doubt it.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::compare::Verdict;
use verdikt_verdict::doubt::doubt;
use verdikt_verdict::evidence::{EarlierEvidence, Evidence};
use verdikt_verdict::fuse::{fuse, may_tell_more, needs_lost_flow};

use super::{BatchOptions, Gone, make};
use crate::backend::{AttemptNumbers, Backend, BackendEvent, DatapathKind, FlowState};

/// The most times that an attempt is made.
const MOST: usize = 3;
/// How many attempts are in flight at first.
const AT_FIRST: usize = 64;
/// The same for repeated attempts: fewer, because load may be the reason for the repetition.
const AGAIN_AT_FIRST: usize = 16;
/// How long flows may be missing before attempts are not repeated any more.
const ABSENCE: Duration = Duration::from_mins(1);

/// How attempts are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptOptions<'a> {
    /// How long one attempt may take.
    pub(crate) patience: Duration,
    /// Whether audit mode is on.
    pub(crate) audit: bool,
    pub(crate) numbers: &'a AttemptNumbers,
}

/// Makes attempts, and repeats those whose evidence is inconclusive: if flows may be missing, after flows arrive again.
/// Returns their evidence in order. Endpoints that fail are added to `gone`.
pub(crate) async fn attempt_all<B: Backend>(
    backend: &mut B,
    attempts: &[(&Endpoint, &Attempt)],
    options: &AttemptOptions<'_>,
    gone: &mut Gone,
) -> Vec<Evidence> {
    let mut evidence = batch(backend, attempts, AT_FIRST, options, gone).await;
    if backend.datapath() == DatapathKind::Cilium {
        confirm_doubtful(backend, attempts, &mut evidence, options, gone).await;
    }
    for _ in 1..MOST {
        let can = |index: usize| !gone.contains_key(attempts[index].0);
        let mut untold: Vec<(usize, String)> = (0..evidence.len())
            .filter(|index| can(*index))
            .filter_map(|index| Some((index, may_tell_more(&evidence[index])?)))
            .collect();
        let is_needy = |(index, _): &(usize, String)| needs_lost_flow(&evidence[*index]);
        if untold.iter().any(is_needy) && !flows_come(backend, gone).await {
            untold.retain(|needy| !is_needy(needy));
        }
        if untold.is_empty() {
            break;
        }
        let again: Vec<(&Endpoint, &Attempt)> = untold.iter().map(|(index, _)| attempts[*index]).collect();
        let new = batch(backend, &again, AGAIN_AT_FIRST, options, gone).await;
        for ((index, reason), new) in untold.into_iter().zip(new) {
            replace(&mut evidence[index], new, reason);
        }
    }
    evidence
}

/// Replaces the earlier evidence by the new one, and keeps the reason for the repetition.
fn replace(evidence: &mut Evidence, new: Evidence, reason: String) {
    let old = std::mem::replace(evidence, new);
    let before = EarlierEvidence { outcome: old.observation.outcome, reason };
    evidence.again = old.again.into_iter().chain([before]).collect();
}

/// Repeats the attempts whose verdict is in doubt; the same verdict once more changes nothing.
async fn confirm_doubtful<B: Backend>(
    backend: &mut B,
    attempts: &[(&Endpoint, &Attempt)],
    evidence: &mut [Evidence],
    options: &AttemptOptions<'_>,
    gone: &mut Gone,
) {
    let doubtful = |index: usize| Some((index, doubt(&evidence[index])?));
    let doubtful: Vec<(usize, &str)> = (0..evidence.len()).filter_map(doubtful).collect();
    if doubtful.is_empty() {
        return;
    }
    let again: Vec<(&Endpoint, &Attempt)> = doubtful.iter().map(|(index, _)| attempts[*index]).collect();
    let new = batch(backend, &again, AT_FIRST, options, gone).await;
    for ((index, reason), new) in doubtful.into_iter().zip(new) {
        let (first, second) = (fuse(&evidence[index]).verdict, fuse(&new).verdict);
        if second != first && !matches!(second, Verdict::Inconclusive(_)) {
            replace(&mut evidence[index], new, reason.to_owned());
        }
    }
}

async fn batch<B: Backend>(
    backend: &mut B,
    attempts: &[(&Endpoint, &Attempt)],
    at_first: usize,
    options: &AttemptOptions<'_>,
    gone: &mut Gone,
) -> Vec<Evidence> {
    let numbered: Vec<_> =
        attempts.iter().map(|(source, attempt)| (options.numbers.next(), *source, *attempt)).collect();
    let pace = BatchOptions { patience: options.patience, at_first };
    let mut evidence = make(backend, &numbered, pace, gone).await;
    for (evidence, (_, attempt)) in evidence.iter_mut().zip(attempts) {
        evidence.audit = options.audit;
        evidence.looks_up = matches!(attempt, Attempt::Dns { .. });
    }
    evidence
}

/// Waits until flows arrive from everywhere, and handles all events until then. Returns whether they do.
async fn flows_come<B: Backend>(backend: &mut B, gone: &mut Gone) -> bool {
    let deadline = Instant::now() + ABSENCE;
    loop {
        let told = match backend.flowing() {
            FlowState::Yes => tokio::task::unconstrained(backend.next()).now_or_never(),
            FlowState::NotNow(_) => match tokio::time::timeout_at(deadline, backend.next()).await {
                Ok(event) => Some(event),
                Err(_) => return false,
            },
            FlowState::NoMore(_) => return false,
        };
        match told {
            None => return true,
            Some(BackendEvent::Gone(endpoint, reason)) => drop(gone.entry(endpoint).or_insert(reason)),
            // Events of attempts that are over do not matter to their repetition.
            Some(_) => {}
        }
    }
}
