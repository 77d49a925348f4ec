//! Objects that the API server or the agent refuses.

use std::collections::BTreeSet;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::{Manifest, Refuser};

use super::{Ground, REFUSED};
use crate::admission::{self, Refusal};
use crate::judgement::Judgement;

pub(super) fn lint(ground: &Ground<'_>) -> Vec<Diagnostic> {
    let judged = ground.manifests.iter().zip(ground.cluster.judgements());
    judged.flat_map(|(manifest, judgement)| of_object(ground, manifest, judgement)).collect()
}

/// Every reason to refuse an object; the agent gives one alone.
fn of_object(ground: &Ground<'_>, manifest: &Manifest, judgement: &Judgement) -> Vec<Diagnostic> {
    let Some(refused) = judgement.refused() else { return Vec::new() };
    let mut reasons = vec![Refusal { message: refused.message.clone(), position: refused.position }];
    if refused.by == Refuser::ApiServer {
        let options = ground.options;
        reasons = admission::admit(&manifest.root, options.version, options.field_validation).refusals;
        // What several rules say of one field is one mistake.
        let mut seen = BTreeSet::new();
        reasons.retain(|reason| seen.insert(reason.position));
    }
    let unseen = if refused.hidden { ", although its `Valid` condition says true" } else { "" };
    let (object, by) = (manifest.object(), refused.by);
    let warning = |Refusal { message, position }: Refusal| {
        let text = format!("{object} is refused by {by}{unseen}, and nothing of it is enforced: {message}");
        let warning = Diagnostic::warning(manifest.place(position), REFUSED, text);
        match help(&message) {
            Some(help) => warning.help(help),
            None => warning,
        }
    };
    reasons.into_iter().map(warning).collect()
}

fn help(message: &str) -> Option<&'static str> {
    let known = [
        (
            "must have at least one of Ingress",
            "an empty list is no default deny: write `ingress: [{}]` and `egress: [{}]` to isolate and allow nothing",
        ),
        (
            "unknown field",
            "correct the name of the field; without strict validation it would be dropped silently",
        ),
        ("combining", "give each kind of peer a list item of its own; items are alternatives"),
        (
            "block may only be present without ToPorts",
            "give `icmps` and `toPorts` a list item of their own each",
        ),
        ("can only apply to TCP", "write `protocol: TCP` at the port"),
        ("cannot select nodes", "make it a CiliumClusterwideNetworkPolicy, or use an `endpointSelector`"),
        ("must be of type string", "write the value in quotes"),
    ];
    known.iter().find(|(part, _)| message.contains(part)).map(|(_, help)| *help)
}
