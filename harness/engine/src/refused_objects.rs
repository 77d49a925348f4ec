//! Objects that the API server or the agent refuses, as mistakes with their places.

use std::collections::BTreeSet;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::{Manifest, PolicyKind, Refuser};

use crate::acceptance::Refused;
use crate::admission;
use crate::model::{ModelOptions, PolicyModel};
use crate::refusal::{Refusal, RefusalKind, RefusedPart};

/// A reason why an object is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedObject {
    /// The index of the object among the manifests.
    pub object: usize,
    /// What is wrong.
    pub kind: RefusalKind,
    /// Which part of the object it is about.
    pub part: RefusedPart,
    /// The mistake as its author reads it.
    pub mistake: Diagnostic,
}

/// Finds every refused object of a model's manifests, once for each of its reasons.
pub(crate) fn refused_objects(
    manifests: &[Manifest],
    options: ModelOptions,
    model: &PolicyModel<'_>,
) -> Vec<RefusedObject> {
    let judged = manifests.iter().zip(model.acceptances()).enumerate();
    let refused =
        judged.filter_map(|(object, (manifest, acceptance))| Some((object, manifest, acceptance.refused()?)));
    let reasons = |(object, manifest, refused)| {
        let reasons = reasons(manifest, options, model, refused);
        mistakes(object, manifest, refused, reasons)
    };
    refused.flat_map(reasons).collect()
}

/// Every reason to refuse an object; the agent gives only one.
fn reasons(
    manifest: &Manifest,
    options: ModelOptions,
    model: &PolicyModel<'_>,
    refused: &Refused,
) -> Vec<Refusal> {
    let mut reasons = match refused.by {
        Refuser::ApiServer => {
            let channel = model.topology.network_policy_api;
            admission::admit_by(channel, &manifest.root, options.version, options.field_validation).refusals
        }
        Refuser::Agent => vec![Refusal {
            kind: refused.kind.clone(),
            part: RefusedPart::Specification,
            message: refused.message.clone(),
            position: refused.position,
        }],
    };
    // Several rules about one field are one mistake.
    let mut seen = BTreeSet::new();
    reasons.retain(|reason| seen.insert(reason.position));
    reasons
}

/// The reasons to refuse an object as mistakes.
fn mistakes(
    object: usize,
    manifest: &Manifest,
    refused: &Refused,
    reasons: Vec<Refusal>,
) -> Vec<RefusedObject> {
    let (name, by) = (manifest.object(), refused.by);
    let unseen = match (refused.hidden, name.policy_kind()) {
        (true, Some(PolicyKind::NetworkPolicy | PolicyKind::ClusterNetworkPolicy)) => ", which shows nowhere",
        (true, _) => ", although its `Valid` condition says true",
        (false, _) => "",
    };
    let mistake = |Refusal { kind, part, message, position }: Refusal| {
        let text = format!("{name} is refused by {by}{unseen}, and nothing of it is enforced: {message}");
        let mistake = Diagnostic::error(manifest.place(position), text);
        let mistake = match kind.help() {
            Some(help) => mistake.help(help),
            None => mistake,
        };
        RefusedObject { object, kind, part, mistake }
    };
    reasons.into_iter().map(mistake).collect()
}
