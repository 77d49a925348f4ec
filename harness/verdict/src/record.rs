//! What a table should say of a cell that differs, where the evidence is enough to write it down.

use verdikt_scenario::expect::{Expected, ExpectedVerdict, PolicyName};
use verdikt_scenario::topology::Endpoint;

use crate::compare::{CellResult, Verdict, contradicts, deciders};
use crate::event::CellJudged;

/// Why a cell that is not as expected cannot be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrecorded {
    /// There is no verdict.
    #[error("it has no verdict: {0}")]
    Inconclusive(String),
    /// The verdict is not the one that the engine predicts, so that the cell would differ whatever the table says.
    #[error("the engine predicts `{0}`, which is to be looked into before a table says otherwise")]
    Contradicted(String),
    /// A row is about every backend of a service, and they differ.
    #[error("the backends of the service differ: give `via {0}` a row of its own")]
    OneBackend(Endpoint),
    /// Flows may be missing.
    #[error("the evidence is not complete: {0}")]
    Incomplete(String),
}

/// What the table should say of a cell that is not as expected.
pub fn expectation(cell: &CellJudged) -> Result<Expected, Unrecorded> {
    if let Verdict::Inconclusive(why) = &cell.verdict {
        return Err(Unrecorded::Inconclusive(why.clone()));
    }
    if contradicts(cell.prediction.answer, &cell.verdict) || cell.result == CellResult::Contradicted {
        return Err(Unrecorded::Contradicted(cell.prediction.answer.to_string()));
    }
    if let Some(lost) = cell.evidence.as_ref().and_then(|evidence| evidence.lost.as_ref()) {
        return Err(Unrecorded::Incomplete(lost.clone()));
    }
    if let Some(backend) = &cell.via {
        return Err(Unrecorded::OneBackend((**backend).clone()));
    }
    let verdict = match &cell.verdict {
        Verdict::Allowed => ExpectedVerdict::Allow,
        Verdict::Denied(_) if cell.result == CellResult::DecidedByAnother => cell.expected.verdict,
        Verdict::Denied(point) => ExpectedVerdict::DenyAt(*point),
        Verdict::Audited(_) => ExpectedVerdict::Audit,
        Verdict::Redirected => ExpectedVerdict::Redirect,
        Verdict::Inconclusive(why) => return Err(Unrecorded::Inconclusive(why.clone())),
    };
    // Who named the policy that decides wants to go on doing so.
    let named = cell.expected.by.as_ref().and_then(|_| deciders(&cell.prediction).into_iter().next());
    Ok(Expected { verdict, by: named.map(|name| PolicyName(name.into())) })
}

#[cfg(test)]
mod tests;
