//! A Pass before rules of later tiers, which Cilium may not apply to pods that are created later.
//!
//! The agent of 1.20 adds new identities to the policy of an endpoint tier by tier in random order, and may ignore a
//! Pass until it recomputes the whole policy. The engine predicts what the recomputed policy says.

use verdikt_scenario::diagnostic::Diagnostic;

use super::LintContext;
use crate::rule::{Effect, Rule, RuleEntry};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for (rule, entry) in context.entries().filter(|(_, entry)| entry.effect == Effect::Pass) {
        let Some(later) = later(context, rule, entry) else { continue };
        let message = format!(
            "a cluster may treat new pods differently: until Cilium recomputes an endpoint's policy, it may \
             ignore this Pass before {}",
            context.name(later)
        );
        let help = "apply the policy when the pods exist, or change it again after new pods have appeared";
        let place = context.place(entry, entry.origin.position);
        warnings.push(Diagnostic::warning(place, "pass-lags", message).help(help));
    }
    warnings
}

/// An entry of a later tier for an endpoint that a rule selects, or may select.
fn later<'a>(context: &LintContext<'a>, rule: &Rule, entry: &RuleEntry) -> Option<&'a RuleEntry> {
    let is_later = |other: &&RuleEntry| {
        other.direction == entry.direction && other.precedence.tier > entry.precedence.tier
    };
    let model = context.model;
    if context.topology.is_none() {
        let others = model.rules.iter().filter(|other| context.may_share_endpoints(rule, other));
        return others.flat_map(|other| &other.entries).find(is_later);
    }
    let sides = context
        .selected(rule)
        .into_iter()
        .filter_map(|endpoint| model.subjects.get(endpoint).map(|subject| subject.side(entry.direction)));
    sides.flat_map(|side| &side.entries).map(|index| model.entry(*index)).find(is_later)
}
