//! Makes attempts through a service whose backend the datapath chooses, until every backend has been seen.
//!
//! No client of a cluster can choose the backend of a service, but the backend that answered can be recognized: by its
//! server, or by the destination of the packets. Evidence of a backend counts for the attempts to that backend alone.

use std::collections::BTreeMap;

use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::observation::{Arrival, Observation, Outcome};
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::compare::Verdict;
use verdikt_verdict::evidence::Evidence;
use verdikt_verdict::fuse::fuse;

use super::Gone;
use super::retry::{AttemptOptions, attempt_all};
use crate::backend::Backend;

/// How many attempts are made in one round for each backend that is wanted.
const EACH: usize = 2;
/// How many rounds there are at most. A fair choice misses one of two backends in all of them once in 5 * 10^11 times, and
/// one of ten once in 10^8 times.
const ROUNDS: usize = 10;

/// One attempt through a service, and what was seen of its backends.
struct ServiceAttempt<'a> {
    source: &'a Endpoint,
    attempt: Attempt,
    /// Every wanted backend, with its evidence.
    seen: BTreeMap<&'a Endpoint, Vec<Evidence>>,
    /// How often it was made.
    tries: usize,
    /// The last evidence that does not tell its backend.
    unplaced: Option<Evidence>,
}

/// Makes attempts to backends of services through the services. Returns the evidence of each, in order: at least one for
/// its backend, and one more for each other verdict that was seen there; or why there is none. Endpoints that fail are
/// added to `gone`.
pub(crate) async fn see_each_backend<B: Backend>(
    backend: &mut B,
    attempts: &[(&Endpoint, &Attempt)],
    options: &AttemptOptions<'_>,
    gone: &mut Gone,
) -> Vec<Vec<Evidence>> {
    let mut all: BTreeMap<(&Endpoint, Attempt), ServiceAttempt<'_>> = BTreeMap::new();
    for (source, attempt) in attempts {
        let through = all
            .entry((*source, attempt.to_any_backend()))
            .or_insert_with(|| ServiceAttempt::new(source, attempt.to_any_backend()));
        through.seen.extend(attempt.backend().map(|wanted| (wanted, Vec::new())));
    }
    for _ in 0..ROUNDS {
        let mut open: Vec<&mut ServiceAttempt<'_>> =
            all.values_mut().filter(|through| through.may_see_more(gone)).collect();
        if open.is_empty() {
            break;
        }
        let round: Vec<(&Endpoint, Attempt)> = open
            .iter()
            .flat_map(|through| vec![(through.source, through.attempt.clone()); through.seen.len() * EACH])
            .collect();
        let round: Vec<(&Endpoint, &Attempt)> =
            round.iter().map(|(source, attempt)| (*source, attempt)).collect();
        let mut evidence = attempt_all(backend, &round, options, gone).await.into_iter();
        for through in &mut open {
            let count = through.seen.len() * EACH;
            evidence.by_ref().take(count).for_each(|evidence| through.keep(evidence));
        }
    }
    let of_attempt = |(source, attempt): &(&Endpoint, &Attempt)| {
        let through = all.get(&(*source, attempt.to_any_backend()));
        through.zip(attempt.backend()).map(|(through, wanted)| through.of_backend(wanted)).unwrap_or_default()
    };
    attempts.iter().map(of_attempt).collect()
}

impl<'a> ServiceAttempt<'a> {
    fn new(source: &'a Endpoint, attempt: Attempt) -> Self {
        Self { source, attempt, seen: BTreeMap::new(), tries: 0, unplaced: None }
    }

    /// Whether another try may show a backend that was not seen.
    fn may_see_more(&self, gone: &Gone) -> bool {
        let cannot =
            self.unplaced.as_ref().is_some_and(|evidence| is_not_attempted(&evidence.observation.outcome));
        self.seen.values().any(Vec::is_empty) && !cannot && !gone.contains_key(self.source)
    }

    /// Keeps evidence for its backend, unless the kept one has the same verdict, or has a verdict and this one has none.
    fn keep(&mut self, evidence: Evidence) {
        self.tries += 1;
        let Some(led_to) = &evidence.led_to else {
            self.unplaced = Some(evidence);
            return;
        };
        let Some(kept) = self.seen.get_mut(led_to) else { return };
        let is_open = |evidence: &Evidence| matches!(fuse(evidence).verdict, Verdict::Inconclusive(_));
        if kept.is_empty() {
            kept.push(evidence);
        } else if !is_open(&evidence) {
            kept.retain(|kept| !is_open(kept));
            let verdict = fuse(&evidence).verdict;
            if kept.iter().all(|kept| fuse(kept).verdict != verdict) {
                kept.push(evidence);
            }
        }
    }

    fn of_backend(&self, wanted: &Endpoint) -> Vec<Evidence> {
        match self.seen.get(wanted) {
            Some(seen) if !seen.is_empty() => seen.clone(),
            _ => vec![self.unseen(wanted)],
        }
    }

    /// The evidence for a backend that was not seen.
    fn unseen(&self, wanted: &Endpoint) -> Evidence {
        let last = self.unplaced.clone();
        if let Some(last) = last.filter(|last| is_not_attempted(&last.observation.outcome)) {
            return last;
        }
        let service = self.attempt.target().map_or_else(String::new, ToString::to_string);
        let reason = format!("none of {} attempts through {service} was seen to go to {wanted}", self.tries);
        let observation = Observation {
            outcome: Outcome::NotAttempted(reason),
            stages: Vec::new(),
            arrival: Arrival::Unknown,
        };
        Evidence::new(observation, Vec::new())
    }
}

fn is_not_attempted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotAttempted(_))
}
