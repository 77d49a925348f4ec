//! DNS rules of several tiers for one endpoint: the DNS proxy applies only those of the first tier.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::precedence::Tier;

use super::LintContext;
use crate::rule::{Direction, Ports, Proxy, Rule, RuleEntry};

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let ours =
        |(_, entry): &(&Rule, &RuleEntry)| entry.precedence.tier != Tier::Normal && has_dns_rules(entry);
    let mut warnings = Vec::new();
    for (rule, entry) in context.entries().filter(ours) {
        let Some(of_other) = other_rules(context, rule, entry) else { continue };
        let other = context.name(of_other);
        let message = if entry.precedence < of_other.precedence {
            format!(
                "these `domainNames` replace the DNS rules of {other}: every name that only it allows is refused"
            )
        } else {
            format!("these names are refused and never learned: the DNS rules of {other} are used instead")
        };
        let help = "name every domain in the first of the two";
        let Ports::OneOf(ports) = &entry.ports else { continue };
        let position = ports.first().map_or(entry.origin.position, |port| port.position);
        warnings.push(
            Diagnostic::warning(context.place(entry, position), "dns-rules-replaced", message).help(help),
        );
    }
    warnings
}

fn has_dns_rules(entry: &RuleEntry) -> bool {
    let Ports::OneOf(ports) = &entry.ports else { return false };
    ports.iter().any(|port| matches!(port.proxy.as_deref(), Some(Proxy::Dns(_))))
}

/// Other DNS rules for an endpoint that a rule selects and that is isolated at egress, so that it refuses names.
fn other_rules<'a>(context: &LintContext<'a>, rule: &Rule, entry: &RuleEntry) -> Option<&'a RuleEntry> {
    // Of two entries of this kind the earlier one is reported.
    let is_other = |other: &&RuleEntry| {
        has_dns_rules(other)
            && other.precedence != entry.precedence
            && (other.precedence.tier == Tier::Normal || entry.precedence < other.precedence)
    };
    let model = context.model;
    if context.topology.is_none() {
        let isolates = |entry: &RuleEntry| entry.isolates && entry.direction == Direction::Egress;
        let others = || model.rules.iter().filter(|other| context.may_share_endpoints(rule, other));
        let is_isolated = others().any(|other| other.entries.iter().any(isolates));
        return others().filter(|_| is_isolated).flat_map(|other| &other.entries).find(is_other);
    }
    let selected = context.selected(rule).into_iter().filter_map(|endpoint| model.subjects.get(endpoint));
    let isolated = selected.filter(|subject| subject.egress.isolated);
    isolated.flat_map(|subject| &subject.egress.entries).map(|index| model.entry(*index)).find(is_other)
}
