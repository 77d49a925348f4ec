//! One cell: what the author expects, held against the verdict.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use verdikt_scenario::expect::{Expected, ExpectedVerdict};
use verdikt_scenario::prediction::{Answer, EnforcementPoint, Finding, Prediction, RuleRef};

/// What the harness concludes about one cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It passed.
    Allowed,
    /// It was denied there.
    Denied(EnforcementPoint),
    /// A policy would have denied it there, and audit mode let it pass.
    Audited(EnforcementPoint),
    /// The HTTP proxy sent the client to the plain form of its path.
    Redirected,
    /// The evidence does not tell, for this reason.
    Inconclusive(String),
}

impl Verdict {
    /// The verdict where the prediction is all the evidence there is: the `model` backend.
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

/// Whether a cell is as its author expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CellResult {
    /// It is.
    AsExpected,
    /// The verdict is another one.
    Differs,
    /// The verdict is the expected one, and another policy decides.
    DecidedByAnother,
    /// The verdict is the expected one, and the engine predicts another.
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
        ExpectedVerdict::Allow => *verdict == Verdict::Allowed,
        ExpectedVerdict::Deny => matches!(verdict, Verdict::Denied(_)),
        ExpectedVerdict::DenyAt(point) => *verdict == Verdict::Denied(point),
        ExpectedVerdict::Audit => matches!(verdict, Verdict::Audited(_)),
        ExpectedVerdict::Redirect => *verdict == Verdict::Redirected,
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

/// Whether a prediction says another thing than a verdict. One that abstains says nothing.
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

/// The policies that decide a prediction, by their short names. Of an allow it is every policy that allows it on
/// its way; of a denial the one that denies it, or those that isolate the endpoint.
pub fn deciders(prediction: &Prediction) -> Vec<String> {
    let denies = |finding: &Finding| {
        matches!(finding, Finding::Denied { .. } | Finding::NoRuleAllows { .. } | Finding::NotTrusted { .. })
    };
    let fails = matches!(prediction.answer, Answer::Deny(_) | Answer::Audit(_));
    let deciding = prediction.checks.iter().filter(|check| !fails || denies(&check.finding));
    let names: BTreeSet<String> =
        deciding.flat_map(|check| rules(&check.finding)).map(|rule| rule.object.short()).collect();
    names.into_iter().collect()
}

fn rules(finding: &Finding) -> &[Arc<RuleRef>] {
    match finding {
        Finding::Allowed { by } | Finding::Denied { by } => by,
        Finding::NoRuleAllows { isolated_by, .. } => isolated_by,
        Finding::Redirected { by, .. } | Finding::NotTrusted { by, .. } => by,
        Finding::Unknown { .. }
        | Finding::Chance { .. }
        | Finding::NotIsolated
        | Finding::PassedOn { .. }
        | Finding::LocalHost
        | Finding::Itself { .. }
        | Finding::OutsideCluster => &[],
    }
}

#[cfg(test)]
mod tests;
