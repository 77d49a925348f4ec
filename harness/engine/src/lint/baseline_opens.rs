//! An Accept of the tier Baseline for endpoints that another policy isolates: isolation comes after that tier.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::precedence::Tier;
use verdikt_scenario::topology::Endpoint;

use super::{LintContext, listed};
use crate::rule::{Direction, Effect, Rule, RuleEntry};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for (rule, entry) in context.entries() {
        if (entry.precedence.tier, entry.effect) != (Tier::Baseline, Effect::Allow) {
            continue;
        }
        let Some((whom, by)) = isolated(context, rule, entry.direction) else { continue };
        let message = format!("this Baseline Accept opens {whom}, although {by} isolates it");
        let help = "isolation comes after the tier Baseline: accept only what every isolated pod may receive, or give the \
                    subject a label that these pods do not have";
        let place = context.place(entry, entry.origin.position);
        warnings.push(Diagnostic::warning(place, "baseline-opens", message).help(help));
    }
    warnings
}

/// The endpoints that a rule selects and another one isolates in a direction, as text, with the policy that isolates
/// them.
fn isolated(context: &LintContext<'_>, rule: &Rule, direction: Direction) -> Option<(String, String)> {
    let isolates = |entry: &&RuleEntry| entry.direction == direction && entry.isolates;
    if context.topology.is_none() {
        let mut others = context.model.rules.iter().filter(|other| context.may_share_endpoints(rule, other));
        let entry = others.find_map(|other| other.entries.iter().find(isolates))?;
        return Some(("what it selects".to_owned(), context.name(entry)));
    }
    let selected = context.selected(rule);
    let is_isolated = |endpoint: &&&Endpoint| {
        context.model.subjects.get(**endpoint).is_some_and(|subject| subject.side(direction).isolated)
    };
    let isolated: Vec<_> = selected.iter().filter(is_isolated).copied().collect();
    let side = context.model.subjects.get(*isolated.first()?)?.side(direction);
    let by = side.entries.iter().map(|index| context.model.entry(*index)).find(isolates)?;
    Some((listed(&isolated), context.name(by)))
}
