//! Checks the invariants of a scenario at a step.

#[cfg(feature = "probes")]
pub(crate) mod attempted;
#[cfg(feature = "probes")]
mod pairs;

use verdikt_analysis::invariant::{Counterexample, Proof, prove};
use verdikt_engine::model::PolicyModel;
use verdikt_scenario::invariant::Invariant;
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_verdict::invariant::{BrokenInvariant, InvariantJudged, InvariantProof};

/// The results of the step's policy model for every invariant, in their order.
pub(crate) fn judged(
    scenario: &Scenario,
    step: &Step,
    model: &PolicyModel<'_>,
) -> impl Iterator<Item = InvariantJudged> {
    let judge = |(invariant, found): (&Invariant, Proof)| {
        let found = match found {
            Proof::Holds { pairs } => InvariantProof::Holds { pairs },
            Proof::Broken(example) => InvariantProof::Broken(Box::new(broken(*example))),
            Proof::Unknown(gap) => InvariantProof::Unknown { gap },
        };
        judged_as(scenario, step, invariant, found)
    };
    let proofs = prove(model, &scenario.invariants);
    let judged: Vec<InvariantJudged> = scenario.invariants.iter().zip(proofs).map(judge).collect();
    judged.into_iter()
}

fn judged_as(
    scenario: &Scenario,
    step: &Step,
    invariant: &Invariant,
    found: InvariantProof,
) -> InvariantJudged {
    InvariantJudged {
        scenario: scenario.name.clone(),
        step: step.name.clone(),
        invariant: invariant.to_string(),
        because: invariant.because.clone(),
        place: invariant.place.clone(),
        known_broken: invariant.broken_at.contains(&step.name),
        found,
    }
}

fn broken(example: Counterexample) -> BrokenInvariant {
    let Counterexample { from, to, interval, reason, more } = example;
    let deciding = reason.deciding();
    let rules = deciding.iter().flat_map(|(_, found)| found.rules().iter().cloned()).collect();
    BrokenInvariant {
        from: from.to_string(),
        to: to.to_string(),
        traffic: interval.to_string(),
        verdict: reason.access.to_string(),
        why: reason.to_string(),
        rules,
        more,
    }
}
