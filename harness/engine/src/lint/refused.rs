//! Objects that the API server or the agent refuses.

use std::collections::BTreeSet;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::{Manifest, PolicyKind, Refuser};

use super::{LintContext, RefusedObject};
use crate::admission;
use crate::judgement::Refused;
use crate::refusal::{Refusal, RefusedPart};

/// Finds every refused object, once for each of its reasons.
pub(super) fn refusals(context: &LintContext<'_>) -> Vec<RefusedObject> {
    let judged = context.manifests.iter().zip(context.model.judgements()).enumerate();
    let refused =
        judged.filter_map(|(object, (manifest, judgement))| Some((object, manifest, judgement.refused()?)));
    refused.flat_map(|(object, manifest, refused)| of_object(context, object, manifest, refused)).collect()
}

/// Every reason to refuse an object; the agent gives one alone.
fn of_object(
    context: &LintContext<'_>,
    object: usize,
    manifest: &Manifest,
    refused: &Refused,
) -> Vec<RefusedObject> {
    let mut reasons = match refused.by {
        Refuser::ApiServer => {
            let (options, channel) = (context.options, context.model.topology.network_policy_api);
            admission::admit_by(channel, &manifest.root, options.version, options.field_validation).refusals
        }
        Refuser::Agent => vec![Refusal {
            kind: refused.kind.clone(),
            part: RefusedPart::Specification,
            message: refused.message.clone(),
            position: refused.position,
        }],
    };
    // What several rules say of one field is one mistake.
    let mut seen = BTreeSet::new();
    reasons.retain(|reason| seen.insert(reason.position));
    let (name, by) = (manifest.object(), refused.by);
    let unseen = match (refused.hidden, name.policy_kind()) {
        (true, Some(PolicyKind::ClusterNetworkPolicy)) => ", which shows nowhere",
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
