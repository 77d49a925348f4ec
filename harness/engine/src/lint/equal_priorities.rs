//! Two objects of one tier and one priority that contradict each other: their rules interleave by their index.

use std::collections::BTreeMap;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::precedence::{Precedence, Tier};

use super::LintContext;
use crate::rule::{Rule, RuleEntry};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut first: BTreeMap<Precedence, Vec<&Rule>> = BTreeMap::new();
    let mut warnings = Vec::new();
    for rule in context.model.rules.iter() {
        let Some(entry) = rule.entries.first().filter(|entry| entry.precedence.tier != Tier::Normal) else {
            continue;
        };
        let others = first.entry(of_object(entry)).or_default();
        let contradicting = others.iter().find(|other| {
            context.may_share_endpoints(rule, other) && rule.entries.iter().any(|one| contradicts(one, other))
        });
        if let Some(other) = contradicting {
            let of_object = of_object(entry);
            let message = format!(
                "{} and {} have one priority ({of_object}): their first rules decide together, then their second ones",
                context.name(&other.entries[0]),
                context.name(entry)
            );
            let help =
                "give each its own priority; of rules that tie a Deny wins, and an Accept wins over a Pass";
            let root = &context.manifests[entry.origin.object].root;
            let node = root.at(&["spec", "priority"]).unwrap_or(root);
            let place = context.place(entry, node.position);
            warnings.push(Diagnostic::warning(place, "equal-priorities", message).help(help));
        }
        others.push(rule);
    }
    warnings
}

/// The precedence of the first rule of an entry's object.
fn of_object(entry: &RuleEntry) -> Precedence {
    Precedence { hundredths: entry.precedence.hundredths.div_euclid(100) * 100, ..entry.precedence }
}

/// Whether some entry of a rule has another effect in the direction of another entry.
fn contradicts(one: &RuleEntry, other: &Rule) -> bool {
    other.entries.iter().any(|entry| entry.direction == one.direction && entry.effect != one.effect)
}
