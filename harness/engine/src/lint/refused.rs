//! Objects that the API server or the agent refuses.

use verdikt_scenario::diagnostic::Diagnostic;

use super::{Ground, REFUSED};

pub(super) fn lint(ground: &Ground<'_>) -> Vec<Diagnostic> {
    let judged = ground.manifests.iter().zip(ground.cluster.judgements());
    let refused = judged.filter_map(|(manifest, judgement)| Some((manifest, judgement.refused()?)));
    let warning = |(manifest, refused): (&verdikt_scenario::policy::Manifest, &crate::judgement::Refused)| {
        let unseen = if refused.hidden { ", although its `Valid` condition says true" } else { "" };
        let message = format!(
            "{} is refused by {}{unseen}, and nothing of it is enforced: {}",
            manifest.object(),
            refused.by,
            refused.message
        );
        let warning = Diagnostic::warning(manifest.place(refused.position), REFUSED, message);
        match help(&refused.message) {
            Some(help) => warning.help(help),
            None => warning,
        }
    };
    refused.map(warning).collect()
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
