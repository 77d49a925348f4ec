//! A CIDR rule that was meant for pods: CIDR rules match only addresses outside the cluster.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#ip-cidr-based>

use ipnet::IpNet;
use verdikt_scenario::diagnostic::{Diagnostic, Severity};
use verdikt_scenario::precedence::Tier;

use super::LintContext;
use crate::rule::{Direction, Effect, Entity, Peer, PeerField, PeerMatcher, Peers, Rule, RuleEntry};

const CODE: &str = "cidr-for-pods";

/// The default address ranges of pods and services of common installers.
const USUAL: &[&str] =
    &["10.244.0.0/16", "10.42.0.0/16", "10.43.0.0/16", "10.96.0.0/12", "10.0.0.0/16", "100.64.0.0/10"];

/// The private address ranges. An address in them that belongs to no host of the topology is probably in the cluster.
/// <https://www.rfc-editor.org/rfc/rfc1918>
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for (rule, entry) in context.entries() {
        let Peers::OneOf(peers) = &entry.peers else { continue };
        for peer in peers.iter().filter(|peer| !peer.field.leads_through_services()) {
            let PeerMatcher::Cidr { within, except } = &peer.matcher else { continue };
            // An author who excludes ranges from a range knows what is in it.
            let inside = if except.is_empty() { inside(context, entry, within) } else { None };
            let Some((severity, message)) = inside.or_else(|| everything(context, rule, entry, peer)) else {
                continue;
            };
            let direction = if entry.direction == Direction::Ingress { "from" } else { "to" };
            let help = if matches!(peer.field, PeerField::Cidr | PeerField::CidrSet) {
                format!(
                    "choose pods by their labels (`{direction}Endpoints`), or all with `{direction}Entities: [cluster]`"
                )
            } else if entry.precedence.tier == Tier::Normal {
                "choose pods with `podSelector` and `namespaceSelector`".to_owned()
            } else {
                "choose pods with `pods` or `namespaces`".to_owned()
            };
            let place = context.place(entry, peer.position);
            let warning = Diagnostic { severity, ..Diagnostic::warning(place, CODE, message) };
            warnings.push(warning.help(help));
        }
    }
    warnings
}

/// A range that contains the cluster, and no host of the topology. Without a topology it may as well contain machines
/// outside.
fn inside(context: &LintContext<'_>, entry: &RuleEntry, within: &[IpNet]) -> Option<(Severity, String)> {
    let first = within.first()?;
    let hosts = context.topology.iter().flat_map(|topology| topology.world.values());
    if hosts.clone().any(|host| within.iter().any(|prefix| prefix.contains(&host.address))) {
        return None;
    }
    let all_in = |ranges: &[&str]| {
        let ranges: Vec<IpNet> = ranges.iter().filter_map(|text| text.parse().ok()).collect();
        within.iter().all(|prefix| ranges.iter().any(|range| range.contains(prefix)))
    };
    if all_in(USUAL) || within.iter().any(|prefix| prefix.to_string() == PRIVATE[0]) {
        let severity = if context.topology.is_some() { Severity::Warning } else { Severity::Hint };
        let message =
            format!("{first} is where pods and services usually live, and CIDR rules match neither");
        return Some((severity, message));
    }
    // A deny of private ranges is often a precaution.
    (context.topology.is_some() && entry.effect == Effect::Allow && all_in(&PRIVATE)).then(|| {
        let message =
            format!("no host of the topology is in {first}, and CIDR rules match neither pods nor services");
        (Severity::Warning, message)
    })
}

/// Every address at ingress, if no rule allows the cluster's own pods.
fn everything(
    context: &LintContext<'_>,
    rule: &Rule,
    entry: &RuleEntry,
    peer: &Peer,
) -> Option<(Severity, String)> {
    let PeerMatcher::Cidr { within, except } = &peer.matcher else { return None };
    let prefix = within.iter().find(|prefix| prefix.prefix_len() == 0).filter(|_| except.is_empty())?;
    if (entry.direction, entry.effect) != (Direction::Ingress, Effect::Allow) {
        return None;
    }
    let selected = context.selected(rule);
    let states = selected.iter().filter_map(|endpoint| context.model.subjects.get(endpoint));
    let of_endpoints =
        states.flat_map(|state| state.ingress.entries.iter().map(|index| context.model.entry(*index)));
    let others = context.model.rules.iter().filter(|other| context.may_share_endpoints(rule, other));
    let admits = if context.topology.is_some() {
        of_endpoints.into_iter().any(admits_cluster)
    } else {
        others.flat_map(|other| &other.entries).any(admits_cluster)
    };
    let message = || format!("{prefix} is every address outside the cluster: no pod gets in by it");
    (!admits).then(|| (Severity::Warning, message()))
}

/// Whether an entry allows something of the cluster, or says that only the world is meant.
fn admits_cluster(entry: &RuleEntry) -> bool {
    let inside = |peer: &Peer| match &peer.matcher {
        PeerMatcher::Selector(_) => true,
        PeerMatcher::Entity(entity) => *entity != Entity::None,
        PeerMatcher::Cidr { .. } | PeerMatcher::CidrGroups { .. } | PeerMatcher::Name(_) => false,
    };
    let peers = match &entry.peers {
        Peers::Any => entry.ports != crate::rule::Ports::OneOf(Vec::new()),
        Peers::OneOf(peers) => peers.iter().any(inside),
    };
    (entry.direction, entry.effect) == (Direction::Ingress, Effect::Allow) && peers
}
