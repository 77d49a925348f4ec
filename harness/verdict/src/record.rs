//! What `run --update` writes into a cell that differs, where the evidence is good enough.

use verdikt_scenario::expect::{Expected, PolicyName, VerdictWord};
use verdikt_scenario::topology::Endpoint;

use crate::compare::{CellResult, Verdict, contradicts, deciders};
use crate::event::CellJudged;

/// Why a cell that is not as expected cannot be updated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateObstacle {
    /// There is no verdict.
    #[error("it has no verdict: {0}")]
    Inconclusive(String),
    /// The verdict is not the predicted one, so the cell would differ whatever the table says.
    #[error("the engine predicts `{0}`: find out why before you change the table")]
    Contradicted(String),
    /// The row covers every backend of a service, and these differ.
    #[error("the backends of the service differ: give `via {0}` a row of its own")]
    OneBackend(Endpoint),
    /// Flows may be missing.
    #[error("flows may be missing: {0}")]
    Incomplete(String),
}

/// The expectation that a cell which is not as expected should get.
pub fn expectation(cell: &CellJudged) -> Result<Expected, UpdateObstacle> {
    if let Verdict::Inconclusive(why) = &cell.verdict {
        return Err(UpdateObstacle::Inconclusive(why.clone()));
    }
    if contradicts(cell.prediction.answer, &cell.verdict) || cell.result == CellResult::Contradicted {
        return Err(UpdateObstacle::Contradicted(cell.prediction.answer.to_string()));
    }
    if let Some(lost) = cell.evidence.as_ref().and_then(|evidence| evidence.lost.as_ref()) {
        return Err(UpdateObstacle::Incomplete(lost.clone()));
    }
    if let Some(backend) = &cell.via {
        return Err(UpdateObstacle::OneBackend((**backend).clone()));
    }
    let verdict = match &cell.verdict {
        Verdict::Allowed => VerdictWord::Allow,
        Verdict::Denied(_) if cell.result == CellResult::DecidedByAnother => cell.expected.verdict,
        Verdict::Denied(point) => VerdictWord::DenyAt(*point),
        Verdict::Audited(_) => VerdictWord::Audit,
        Verdict::Redirected => VerdictWord::Redirect,
        Verdict::Inconclusive(why) => return Err(UpdateObstacle::Inconclusive(why.clone())),
    };
    // An author who named the deciding policy wants it named again.
    let named = cell.expected.by.as_ref().and_then(|_| deciders(&cell.prediction).into_iter().next());
    Ok(Expected { verdict, by: named.map(|name| PolicyName(name.into())) })
}

#[cfg(test)]
mod tests;
