//! A rule that another one covers: it allows nothing more, and its HTTP rules restrict nothing.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::precedence::Tier;

use super::LintContext;
use crate::rule::{Effect, Entity, PeerMatcher, Peers, PortMatcher, PortRule, Ports, Proxy, Rule, RuleEntry};

const CODE: &str = "covered";

/// The largest number of entries of one rule that are compared; further ones are ignored.
const MOST: usize = 128;

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    context.model.rules.iter().flat_map(|rule| of_rule(context, rule)).collect()
}

fn of_rule(context: &LintContext<'_>, rule: &Rule) -> Vec<Diagnostic> {
    let plain = |entry: &&RuleEntry| {
        entry.effect == Effect::Allow
            // If rules have an order, those between the two matter.
            && entry.precedence.tier == Tier::Normal
            && entry.requires.is_empty()
            && entry.gap.is_none()
            && entry.authentication.is_none()
    };
    let entries: Vec<&RuleEntry> = rule.entries.iter().filter(plain).take(MOST).collect();
    let mut warnings = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let covers = |(other_index, other): &(usize, &&RuleEntry)| {
            *other_index != index
                && other.direction == entry.direction
                && covers(other, entry)
                // Of two that cover each other, the later one is reported.
                && (*other_index < index || !covers(entry, other))
        };
        let Some((_, other)) = entries.iter().enumerate().find(covers) else { continue };
        let place = context.place(entry, entry.origin.position);
        let restricts =
            matches!(&entry.ports, Ports::OneOf(ports) if ports.iter().any(|port| port.proxy.is_some()));
        let same = matches!((&entry.ports, &other.ports), (Ports::OneOf(one), Ports::OneOf(two)) if
            one.iter().map(|port| &port.proxy).eq(two.iter().map(|port| &port.proxy)));
        warnings.push(if restricts && !same {
            let message = format!(
                "these HTTP rules restrict nothing: {} lets the same traffic pass without them",
                other.origin
            );
            Diagnostic::warning(place, CODE, message)
                .help("remove the wider rule, or narrow its peers or ports")
        } else {
            let message = format!("this allows nothing that {} does not allow", other.origin);
            Diagnostic::hint(place, CODE, message).help("remove it, unless you want to remove the other one")
        });
    }
    warnings
}

/// Whether an entry allows everything that another one does.
fn covers(wide: &RuleEntry, narrow: &RuleEntry) -> bool {
    cover_peers(&wide.peers, &narrow.peers) && cover_ports(&wide.ports, &narrow.ports)
}

fn cover_peers(wide: &Peers, narrow: &Peers) -> bool {
    let (Peers::OneOf(wide), Peers::OneOf(narrow)) = (wide, narrow) else { return *wide == Peers::Any };
    let everyone = wide.iter().any(|peer| peer.matcher == PeerMatcher::Entity(Entity::All));
    !narrow.is_empty()
        && (everyone || narrow.iter().all(|peer| wide.iter().any(|other| other.matcher == peer.matcher)))
}

fn cover_ports(wide: &Ports, narrow: &Ports) -> bool {
    let is_dns = |port: &PortRule| matches!(port.proxy.as_deref(), Some(Proxy::Dns(_)));
    match (wide, narrow) {
        // Queries still go to the DNS proxy, whatever a rule for all ports allows.
        (Ports::All, Ports::OneOf(ports)) => !ports.is_empty() && !ports.iter().any(is_dns),
        (Ports::All, Ports::All) => true,
        (Ports::OneOf(_), Ports::All) => false,
        (Ports::OneOf(wide), Ports::OneOf(narrow)) => {
            let covered = |port: &PortRule| wide.iter().any(|other| covers_port(other, port));
            !narrow.is_empty() && narrow.iter().all(covered)
        }
    }
}

fn covers_port(wide: &PortRule, narrow: &PortRule) -> bool {
    let is_free = wide.proxy.is_none()
        && !matches!(
            narrow.proxy.as_deref(),
            Some(Proxy::Dns(_) | Proxy::HttpInTls { .. } | Proxy::Unmodelled(_))
        );
    let contains = match (&wide.matcher, &narrow.matcher) {
        (
            PortMatcher::Range { protocol, first, last },
            PortMatcher::Range { protocol: other, first: other_first, last: other_last },
        ) => (protocol.is_none() || protocol == other) && first <= other_first && other_last <= last,
        (one, other) => one == other,
    };
    contains && (is_free || wide.proxy == narrow.proxy)
}
