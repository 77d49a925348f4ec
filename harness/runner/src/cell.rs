//! One cell: the predictions and the evidence of its attempts, and its verdict.
//!
//! A cell of an attempt through a service stands for one attempt to each of its backends, and is as expected only if
//! each of them is. The first that is not decides.

use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::expect::Expected;
use verdikt_scenario::prediction::{Answer, Prediction};
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::compare::{CellResult, Verdict, compare};
use verdikt_verdict::evidence::{Basis, Evidence};
use verdikt_verdict::fuse::fuse;

use crate::backend::DatapathKind;

/// One of the attempts that a cell stands for, and what the engine says of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PredictedAttempt {
    pub(crate) attempt: Attempt,
    pub(crate) prediction: Prediction,
}

/// The observations of the cells of a step.
pub(crate) enum ObservedStep {
    /// Nothing: the predictions are the verdicts.
    Nothing,
    /// The evidence of every cell, by its index in the step.
    #[cfg_attr(not(feature = "probes"), expect(dead_code, reason = "only real attempts leave evidence"))]
    Evidence(DatapathKind, Vec<CellEvidence>),
}

/// The observations of one cell: evidence in the order of its attempts, each with the index of its attempt. An attempt has
/// several where it was made several times with different verdicts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CellEvidence(pub(crate) Vec<(usize, Evidence)>);

/// The verdict of a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JudgedCell {
    /// The backend whose attempt decides, if the cell has attempts to several and is not as expected.
    pub(crate) via: Option<Endpoint>,
    pub(crate) prediction: Prediction,
    pub(crate) evidence: Option<Box<Evidence>>,
    pub(crate) basis: Option<Basis>,
    pub(crate) verdict: Verdict,
    pub(crate) result: CellResult,
}

/// Judges the cell at `index`: none if it stands for no attempt.
pub(crate) fn judge_cell(
    expected: &Expected,
    attempts: Vec<PredictedAttempt>,
    observed: &ObservedStep,
    index: usize,
) -> Option<JudgedCell> {
    let count = attempts.len();
    let judged: Vec<JudgedCell> = match observed {
        ObservedStep::Nothing => attempts.into_iter().map(|attempt| judge(expected, attempt, None)).collect(),
        ObservedStep::Evidence(datapath, cells) => {
            let CellEvidence(all) = cells.get(index)?;
            let pairs = all.iter().filter_map(|(index, evidence)| Some((attempts.get(*index)?, evidence)));
            pairs
                .map(|(attempt, evidence)| judge(expected, attempt.clone(), Some((*datapath, evidence))))
                .collect()
        }
    };
    let mut worst = judged.into_iter().min_by_key(|judged| severity(judged.result))?;
    // A row that names a backend says it itself; and where one is as expected, so is every other.
    if worst.result == CellResult::AsExpected || count == 1 {
        worst.via = None;
    }
    Some(worst)
}

fn judge(
    expected: &Expected,
    attempt: PredictedAttempt,
    seen: Option<(DatapathKind, &Evidence)>,
) -> JudgedCell {
    let PredictedAttempt { attempt, prediction } = attempt;
    let (verdict, basis) = match seen {
        None => (Verdict::of_prediction(&prediction), None),
        Some((datapath, evidence)) => {
            // What applies the engine's rules cannot know what the engine does not; and chance proves nothing.
            let unknown = prediction.answer == Answer::Abstain && datapath == DatapathKind::Lab;
            if unknown || prediction.is_chance() {
                (Verdict::of_prediction(&prediction), Some(Basis::default()))
            } else {
                let fused = fuse(evidence);
                (fused.verdict, Some(fused.basis))
            }
        }
    };
    let result = compare(expected, &verdict, &prediction);
    JudgedCell {
        via: attempt.backend().cloned(),
        prediction,
        evidence: seen.map(|(_, evidence)| Box::new(evidence.clone())),
        basis,
        verdict,
        result,
    }
}

/// Which result of several attempts decides about a cell: the smallest.
fn severity(result: CellResult) -> u8 {
    match result {
        CellResult::Differs | CellResult::DecidedByAnother | CellResult::Contradicted => 0,
        CellResult::Inconclusive => 1,
        CellResult::AsExpected => 2,
    }
}

#[cfg(test)]
mod tests;
