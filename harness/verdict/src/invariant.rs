//! The results of checking an invariant at a step.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::place::Place;
use verdikt_scenario::prediction::RuleRef;
use verdikt_scenario::topology::Endpoint;

use crate::compare::Verdict;
use crate::evidence::Evidence;

/// The result of an invariant at a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvariantJudged {
    /// The scenario.
    pub scenario: String,
    /// The step.
    pub step: String,
    /// The invariant as text: `never world -> database/*`.
    pub invariant: String,
    /// Why it must hold.
    pub because: String,
    /// Where it is written.
    pub place: Place,
    /// Whether the author knows that it does not hold at this step (`brokenAt`).
    #[serde(default)]
    pub known_broken: bool,
    /// The result.
    pub found: InvariantProof,
}

/// What proves or breaks an invariant: the policy model, or attempts between the pairs that serve a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InvariantProof {
    /// It holds.
    Holds {
        /// For how many pairs of ends. Possible pods are counted once for each group that policies treat alike.
        pairs: usize,
    },
    /// It does not hold.
    Broken(Box<BrokenInvariant>),
    /// The engine does not know.
    Unknown {
        /// What is not modelled: completes "does not know …".
        gap: String,
    },
    /// Every attempt is as the invariant demands.
    Attempted {
        /// How many attempts were made.
        attempts: usize,
    },
    /// An attempt contradicts the invariant.
    BrokenByAttempt(Box<AttemptedPair>),
    /// The evidence of an attempt gives no verdict.
    Untold(Box<AttemptedPair>),
}

/// One attempt that an invariant covers, and what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptedPair {
    /// The source.
    pub from: Endpoint,
    /// The attempt.
    pub attempt: Attempt,
    /// The verdict.
    pub verdict: Verdict,
    /// What was seen.
    pub evidence: Evidence,
    /// How many more attempts gave the same.
    pub more: usize,
}

/// The smallest counterexample to an invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BrokenInvariant {
    /// The source.
    pub from: String,
    /// The destination.
    pub to: String,
    /// The traffic: `tcp 6379`.
    pub traffic: String,
    /// What happens to it.
    pub verdict: String,
    /// Why, with the rules.
    pub why: String,
    /// The rules behind it; the first decides.
    pub rules: Vec<Arc<RuleRef>>,
    /// How many more pairs of ends break it.
    pub more: usize,
}

impl InvariantJudged {
    /// Whether it holds where it must, and fails where the author knows that it does.
    pub fn is_as_expected(&self) -> bool {
        match self.found {
            InvariantProof::Holds { .. } => !self.known_broken,
            InvariantProof::Broken(_) | InvariantProof::BrokenByAttempt(_) => self.known_broken,
            // What is known to break it may serve no port.
            InvariantProof::Attempted { .. } => true,
            InvariantProof::Unknown { .. } | InvariantProof::Untold(_) => false,
        }
    }

    /// Whether the engine abstains, or the evidence gives no verdict.
    pub fn is_unknown(&self) -> bool {
        matches!(self.found, InvariantProof::Unknown { .. } | InvariantProof::Untold(_))
    }

    /// What was seen of the attempt that breaks the invariant, or that gives no verdict.
    pub fn evidence(&self) -> Option<&Evidence> {
        match &self.found {
            InvariantProof::BrokenByAttempt(pair) | InvariantProof::Untold(pair) => Some(&pair.evidence),
            InvariantProof::Holds { .. }
            | InvariantProof::Broken(_)
            | InvariantProof::Unknown { .. }
            | InvariantProof::Attempted { .. } => None,
        }
    }

    /// Whether the result comes from attempts, and not from the policy model.
    pub fn is_of_attempts(&self) -> bool {
        matches!(
            self.found,
            InvariantProof::Attempted { .. } | InvariantProof::BrokenByAttempt(_) | InvariantProof::Untold(_)
        )
    }

    /// The line to blame: that of the deciding rule, or of the invariant.
    pub fn blamed(&self) -> &Place {
        match &self.found {
            InvariantProof::Broken(broken) => broken.rules.first().map_or(&self.place, |rule| &rule.place),
            _ => &self.place,
        }
    }
}

impl fmt::Display for InvariantJudged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            InvariantProof::Holds { .. } if self.known_broken => {
                write!(f, "{} holds, and `brokenAt` names this step", self.invariant)
            }
            InvariantProof::Holds { pairs } => {
                write!(f, "{} holds for {pairs} pairs of ends", self.invariant)
            }
            InvariantProof::Broken(broken) => {
                write!(f, "{} does not hold: {broken}. Why it must: {}", self.invariant, self.because)
            }
            InvariantProof::Unknown { gap } => {
                write!(f, "{}: the engine does not know {gap}", self.invariant)
            }
            InvariantProof::Attempted { attempts } => {
                write!(f, "{} holds for {attempts} attempts", self.invariant)
            }
            InvariantProof::BrokenByAttempt(pair) => {
                let (invariant, because) = (&self.invariant, &self.because);
                write!(f, "{invariant} does not hold for a real attempt: {pair}. Why it must: {because}")
            }
            InvariantProof::Untold(pair) => {
                write!(f, "{}: an attempt gives no verdict: {pair}", self.invariant)
            }
        }
    }
}

impl fmt::Display for AttemptedPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, attempt, verdict, more, .. } = self;
        write!(f, "{attempt} from {from}: {verdict}")?;
        if let Verdict::Inconclusive(why) = verdict {
            write!(f, ", {why}")?;
        }
        if *more > 0 { write!(f, "; and {more} more attempts") } else { Ok(()) }
    }
}

impl fmt::Display for BrokenInvariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, traffic, verdict, why, more, .. } = self;
        write!(f, "{traffic} from {from} to {to}: {verdict}, {why}")?;
        if *more > 0 { write!(f, "; and {more} more pairs of ends") } else { Ok(()) }
    }
}
