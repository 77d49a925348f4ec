//! Compares the verdict of a cell with what the author expects.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use verdikt_scenario::expect::{Expected, VerdictWord};
use verdikt_scenario::prediction::{Answer, Decision, EnforcementPoint, Prediction, RuleRef};

/// What the harness concludes about one cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It passed.
    Allowed,
    /// A policy denied it at this enforcement point.
    Denied(EnforcementPoint),
    /// A policy denies it at this point, and audit mode let it pass.
    Audited(EnforcementPoint),
    /// The HTTP proxy sent the client to the plain form of its path.
    Redirected,
    /// The evidence gives no verdict, for this reason.
    Inconclusive(String),
}

impl Verdict {
    /// The verdict of a prediction alone, on the `model` backend, where there is no other evidence.
    pub fn of_prediction(prediction: &Prediction) -> Self {
        match prediction.answer {
            Answer::Allow => Self::Allowed,
            Answer::Deny(point) => Self::Denied(point),
            Answer::Audit(point) => Self::Audited(point),
            Answer::Redirect => Self::Redirected,
            Answer::Abstain => {
                let gap = prediction.gap().unwrap_or("this attempt");
                Self::Inconclusive(format!("the engine does not know {gap}"))
            }
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.pad("allow"),
            Self::Denied(point) => f.pad(&format!("deny {point}")),
            Self::Audited(_) => f.pad("audit"),
            Self::Redirected => f.pad("redirect"),
            Self::Inconclusive(_) => f.pad("inconclusive"),
        }
    }
}

/// How the verdict of a cell compares with its expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CellResult {
    /// The verdict is the expected one.
    AsExpected,
    /// The verdict is another one.
    Differs,
    /// The verdict is the expected one, but another policy decides.
    DecidedByAnother,
    /// The verdict is the expected one, but the engine predicts another.
    Contradicted,
    /// There is no verdict to compare.
    Inconclusive,
}

/// Compares an expectation with a verdict; the prediction tells which policy decided.
pub fn compare(expected: &Expected, verdict: &Verdict, prediction: &Prediction) -> CellResult {
    if matches!(verdict, Verdict::Inconclusive(_)) {
        return CellResult::Inconclusive;
    }
    let matches = match expected.verdict {
        VerdictWord::Allow => *verdict == Verdict::Allowed,
        VerdictWord::Deny => matches!(verdict, Verdict::Denied(_)),
        VerdictWord::DenyAt(point) => *verdict == Verdict::Denied(point),
        VerdictWord::Audit => matches!(verdict, Verdict::Audited(_)),
        VerdictWord::Redirect => *verdict == Verdict::Redirected,
    };
    match (&expected.by, matches) {
        (_, false) => CellResult::Differs,
        (_, true) if contradicts(prediction.answer, verdict) => CellResult::Contradicted,
        (Some(by), true) if !deciders(prediction).iter().any(|name| **name == *by.0) => {
            CellResult::DecidedByAnother
        }
        _ => CellResult::AsExpected,
    }
}

/// Whether a prediction differs from a verdict. One that abstains contradicts nothing.
pub fn contradicts(predicted: Answer, verdict: &Verdict) -> bool {
    match (predicted, verdict) {
        (Answer::Abstain, _)
        | (_, Verdict::Inconclusive(_))
        | (Answer::Allow, Verdict::Allowed)
        | (Answer::Audit(_), Verdict::Audited(_))
        | (Answer::Redirect, Verdict::Redirected) => false,
        (Answer::Deny(predicted), Verdict::Denied(actual)) => predicted != *actual,
        _ => true,
    }
}

/// The policies that decide a prediction, by their short names. For an allow they are all policies that allow the
/// attempt on its way; for a denial the one that denies it, or those that isolate the endpoint.
pub fn deciders(prediction: &Prediction) -> Vec<String> {
    let denies = |decision: &Decision| {
        matches!(
            decision,
            Decision::Denied { .. } | Decision::NoRuleAllows { .. } | Decision::NotTrusted { .. }
        )
    };
    let fails = matches!(prediction.answer, Answer::Deny(_) | Answer::Audit(_));
    let deciding = prediction.checks.iter().filter(|check| !fails || denies(&check.decision));
    let names: BTreeSet<String> =
        deciding.flat_map(|check| rules(&check.decision)).map(|rule| rule.object.short()).collect();
    names.into_iter().collect()
}

fn rules(decision: &Decision) -> &[Arc<RuleRef>] {
    match decision {
        Decision::Allowed { by } | Decision::Denied { by } => by,
        Decision::NoRuleAllows { isolated_by, .. } => isolated_by,
        Decision::Redirected { by, .. } | Decision::NotTrusted { by, .. } => by,
        Decision::Unknown { .. }
        | Decision::Chance { .. }
        | Decision::NotIsolated
        | Decision::PassedOn { .. }
        | Decision::LocalHost
        | Decision::Itself { .. }
        | Decision::OutsideCluster => &[],
    }
}

#[cfg(test)]
mod tests;
