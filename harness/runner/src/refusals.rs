//! Compares the objects that an author expects to be refused with what API server and agent refuse.

use verdikt_engine::acceptance::{Acceptance, Refused};
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::scenario::{ExpectedRefusal, Scenario, Step};
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::ObjectRefusal;

/// The engine's settings for a step.
pub fn options(step: &Step, version: CiliumVersion) -> ModelOptions {
    ModelOptions {
        version,
        enforcement: step.enforcement,
        field_validation: step.field_validation,
        ..ModelOptions::default()
    }
}

/// What only the engine can tell is wrong with scenarios: an object that must be refused and is accepted. To be
/// asked before anything is evaluated.
pub fn mistakes(scenarios: &[Scenario], version: CiliumVersion) -> Vec<Diagnostic> {
    let applicable = scenarios.iter().filter(|scenario| scenario.cilium.contains(version));
    applicable.flat_map(|scenario| &scenario.steps).flat_map(|step| mistakes_of(step, version)).collect()
}

fn mistakes_of(step: &Step, version: CiliumVersion) -> Vec<Diagnostic> {
    let refusals = step.refusals(version);
    if refusals.is_empty() {
        return Vec::new();
    }
    let options = options(step, version);
    let model = PolicyModel::new(&step.topology, &step.policies, &options, &LearnedNames::default());
    let accepted = |refusal: &&ExpectedRefusal| model.acceptances()[refusal.policy] == Acceptance::Accepted;
    let mistake = |refusal: &ExpectedRefusal| {
        let object = step.policies[refusal.policy].object();
        let message =
            format!("{object} is accepted by Cilium {version}, and must be refused here by {}", refusal.by);
        Diagnostic::error(refusal.place.clone(), message)
            .help("correct the policy that should be refused, or take the object out of `rejected`")
    };
    refusals.iter().filter(accepted).map(mistake).collect()
}

/// Whether a refusal is the expected one.
pub(crate) fn agrees(expected: Option<&ExpectedRefusal>, refused: Option<&ObjectRefusal>) -> bool {
    match (expected, refused) {
        (None, None) => true,
        (Some(expected), Some(refused)) => {
            let said = refused.message.to_lowercase();
            expected.by == refused.by && said.contains(&expected.saying.to_lowercase())
        }
        _ => false,
    }
}

/// The engine's prediction for an object, as text, where it differs from what was observed. What agents refuse without a sign
/// at the object cannot be seen.
pub(crate) fn disagreement(seen: Option<&ObjectRefusal>, predicted: Option<&Refused>) -> Option<String> {
    match (seen, predicted) {
        (Some(_), None) => Some("the engine predicts that it is accepted".to_owned()),
        (None, Some(predicted)) if !predicted.hidden => {
            let Refused { by, message, .. } = predicted;
            Some(format!("the engine predicts that it is refused by {by}: {message}"))
        }
        (Some(seen), Some(predicted)) if seen.by != predicted.by => {
            Some(format!("the engine predicts that it is refused by {}", predicted.by))
        }
        _ => None,
    }
}
