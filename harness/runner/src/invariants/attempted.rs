//! Tests the invariants of a scenario by real attempts: for every pair that they are about, on the ports that are served.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::invariant::{Demand, Invariant};
use verdikt_scenario::prediction::Answer;
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::compare::Verdict;
use verdikt_verdict::evidence::Evidence;
use verdikt_verdict::fuse::fuse;
use verdikt_verdict::invariant::{AttemptedPair, InvariantJudged, InvariantProof};

use super::judged_as;
use super::pairs::{Pair, pairs};
use crate::attempts::Gone;
use crate::attempts::retry::{AttemptOptions, attempt_all};
use crate::backend::Backend;
use crate::cell::CellEvidence;
use crate::filter::all_cells;
use crate::plan::PredictedStep;

/// A step, with the evidence of its table.
pub(crate) struct AttemptedInvariants<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) step: &'a Step,
    pub(crate) predicted: &'a PredictedStep<'a>,
    pub(crate) cells: &'a [CellEvidence],
}

/// An attempt, its verdict, and its evidence.
type Seen<'a> = (&'a Pair, Verdict, &'a Evidence);

impl AttemptedInvariants<'_> {
    /// Judges every invariant about something that is served, in order. Attempts of the table are not made again.
    pub(crate) async fn judge<B: Backend>(
        &self,
        backend: &mut B,
        options: &AttemptOptions<'_>,
        gone: &mut Gone,
    ) -> Vec<InvariantJudged> {
        let spoken: Vec<BTreeSet<Pair>> =
            self.scenario.invariants.iter().map(|invariant| pairs(invariant, self.step)).collect();
        let all: BTreeSet<&Pair> = spoken.iter().flatten().collect();
        let known: BTreeSet<&Pair> = all.into_iter().filter(|pair| self.is_known(pair)).collect();
        let mut evidence = self.of_table();
        let ends = known.iter().map(|(source, attempt)| (source, attempt));
        let missing: Vec<(&Endpoint, &Attempt)> = ends.filter(|pair| !evidence.contains_key(pair)).collect();
        let made =
            if missing.is_empty() { Vec::new() } else { attempt_all(backend, &missing, options, gone).await };
        evidence.extend(missing.into_iter().zip(&made));
        let mut judged = Vec::new();
        for (invariant, spoken) in self.scenario.invariants.iter().zip(&spoken) {
            let pairs: Vec<&Pair> = spoken.iter().filter(|pair| known.contains(pair)).collect();
            if !pairs.is_empty() {
                judged.push(self.judge_one(invariant, &pairs, &evidence));
            }
        }
        judged
    }

    /// Whether the engine predicts an attempt, and does not abstain.
    fn is_known(&self, (source, attempt): &Pair) -> bool {
        let prediction = self.predicted.model.predict(source, attempt);
        prediction.answer != Answer::Abstain && !prediction.is_chance()
    }

    /// The evidence of the table's cells, as far as each stands for one attempt.
    fn of_table(&self) -> BTreeMap<(&Endpoint, &Attempt), &Evidence> {
        let cells = all_cells(self.step).filter_map(|cell| match self.cells.get(cell.index)?.0.as_slice() {
            [(_, evidence)] => Some(((cell.source, &cell.row.attempt), evidence)),
            _ => None,
        });
        cells.collect()
    }

    fn judge_one(
        &self,
        invariant: &Invariant,
        pairs: &[&Pair],
        evidence: &BTreeMap<(&Endpoint, &Attempt), &Evidence>,
    ) -> InvariantJudged {
        let (mut broken, mut untold): (Vec<Seen<'_>>, Vec<Seen<'_>>) = (Vec::new(), Vec::new());
        for &pair in pairs {
            let Some(&evidence) = evidence.get(&(&pair.0, &pair.1)) else { continue };
            let verdict = fuse(evidence).verdict;
            let kept = match (&verdict, invariant.demand) {
                (Verdict::Inconclusive(_), _) => &mut untold,
                (Verdict::Denied(_), Demand::Always)
                | (Verdict::Allowed | Verdict::Audited(_) | Verdict::Redirected, Demand::Never) => {
                    &mut broken
                }
                _ => continue,
            };
            kept.push((pair, verdict, evidence));
        }
        let found = match (first(broken), first(untold)) {
            (Some(pair), _) => InvariantProof::BrokenByAttempt(pair),
            (None, Some(pair)) => InvariantProof::Untold(pair),
            (None, None) => InvariantProof::Attempted { attempts: pairs.len() },
        };
        judged_as(self.scenario, self.step, invariant, found)
    }
}

/// The first of several attempts, which stands for all.
fn first(seen: Vec<Seen<'_>>) -> Option<Box<AttemptedPair>> {
    let more = seen.len().saturating_sub(1);
    let ((from, attempt), verdict, evidence) = seen.into_iter().next()?;
    let (from, attempt, evidence) = (from.clone(), attempt.clone(), evidence.clone());
    Some(Box::new(AttemptedPair { from, attempt, verdict, evidence, more }))
}
