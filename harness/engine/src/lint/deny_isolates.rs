//! An explicit deny that switches on default deny: everything else is denied as well.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#deny-policies>

use verdikt_scenario::diagnostic::Diagnostic;

use super::{LintContext, listed};
use crate::rule::{Direction, Effect, Entity, PeerMatcher, Peers, Ports, Rule, RuleEntry};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for rule in context.model.rules.iter() {
        for direction in [Direction::Ingress, Direction::Egress] {
            let own = || rule.entries.iter().filter(move |entry| entry.direction == direction);
            let Some(first) = own().find(|entry| entry.effect == Effect::Deny && entry.isolates) else {
                continue;
            };
            if own().any(denies_everyone) {
                continue;
            }
            let Some(whom) = isolated_by_it_alone(context, rule, direction) else { continue };
            let (word, key) = match direction {
                Direction::Ingress => ("reach", "ingress"),
                Direction::Egress => ("be reached from", "egress"),
            };
            let message =
                format!("this deny isolates: nothing else may {word} {whom} either, for no rule allows it");
            let help = format!(
                "add `enableDefaultDeny: {{{key}: false}}` to deny only this, or rules that allow the rest"
            );
            let place = context.place(first, first.origin.position);
            warnings.push(Diagnostic::warning(place, "deny-isolates", message).help(help));
        }
    }
    warnings
}

/// Whether an entry denies everything anyway, so that isolation changes nothing.
fn denies_everyone(entry: &RuleEntry) -> bool {
    let all = |peers: &Peers| match peers {
        Peers::Any => true,
        Peers::OneOf(peers) => peers.iter().any(|peer| peer.matcher == PeerMatcher::Entity(Entity::All)),
    };
    entry.effect == Effect::Deny && entry.ports == Ports::All && all(&entry.peers)
}

/// The endpoints that a rule isolates and for which no rule allows anything in the direction, as text.
fn isolated_by_it_alone(context: &LintContext<'_>, rule: &Rule, direction: Direction) -> Option<String> {
    let allows = |entry: &RuleEntry| entry.direction == direction && entry.effect == Effect::Allow;
    if context.topology.is_none() {
        let others = context.model.rules.iter().filter(|other| context.may_share_endpoints(rule, other));
        let allowed = rule.entries.iter().chain(others.flat_map(|other| &other.entries)).any(allows);
        return (!allowed).then(|| "what it selects".to_owned());
    }
    let selected = context.selected(rule).into_iter();
    let alone: Vec<_> = selected
        .filter(|endpoint| {
            let side = context.model.subjects.get(endpoint).map(|subject| subject.side(direction));
            side.is_some_and(|side| {
                side.isolated && !side.entries.iter().any(|index| allows(context.model.entry(*index)))
            })
        })
        .collect();
    (!alone.is_empty()).then(|| listed(&alone))
}
