//! The specification of a `ClusterNetworkPolicy`, as Cilium reads it.
//!
//! The agent relies on the API server: what the schema would refuse is accepted here, as by the agent.
//! <https://network-policy-api.sigs.k8s.io/reference/spec/>

mod peers;
mod ports;
mod selectors;

use std::sync::Arc;

use verdikt_scenario::document::YamlNode;
use verdikt_scenario::precedence::{Precedence, Tier};

use self::peers::{RulePeers, read_peers};
use self::ports::read_protocols;
pub(crate) use self::ports::{PortNameReading, read_port_name};
use self::selectors::subject;
use super::{ParseContext, list, number, text};
use crate::refusal::Refusal;
use crate::rule::{
    Direction, Effect, EntryOrigin, Peer, PeerField, PeerMatcher, Peers, PortPath, PortRule, Ports, Proxy,
    Rule, RuleEntry, RuleReference, Section,
};

/// The named ports that `domainNames` open.
const DNS_PORTS: [&str; 2] = ["dns", "dns-tcp"];

/// Reads the specification.
pub(super) fn rule(spec: &YamlNode, context: &ParseContext<'_>) -> Result<Rule, Refusal> {
    let tier = match text(spec, "tier")? {
        Some("Baseline") => Tier::Baseline,
        _ => Tier::Admin,
    };
    let priority = number(spec, "priority")?.unwrap_or(0);
    let mut entries = Vec::new();
    for section in [Section::Ingress, Section::Egress] {
        for (index, item) in list(spec, section.word())?.unwrap_or_default().iter().enumerate() {
            let origin =
                EntryOrigin { object: context.object, spec: None, section, index, position: item.position };
            read_rule(item, origin, Precedence::of(tier, priority, index), context, &mut entries)?;
        }
    }
    Ok(Rule { subject: subject(spec, &entries)?, entries })
}

/// Reads a rule: an entry for its peers, one that denies because a peer is unknown, and one for the DNS queries
/// behind its domain names.
fn read_rule(
    item: &YamlNode,
    origin: EntryOrigin,
    precedence: Precedence,
    context: &ParseContext<'_>,
    entries: &mut Vec<RuleEntry>,
) -> Result<(), Refusal> {
    let effect = match text(item, "action")? {
        Some("Deny") => Effect::Deny,
        Some("Pass") => Effect::Pass,
        _ => Effect::Allow,
    };
    let direction = if origin.section == Section::Ingress { Direction::Ingress } else { Direction::Egress };
    let ports = read_protocols(item)?;
    let RulePeers { peers, domains, has_unknown } = read_peers(item, direction, effect, &ports, context)?;
    let entry = |effect, peers, ports| RuleEntry {
        direction,
        effect,
        precedence,
        isolates: false,
        peers,
        requires: Vec::new(),
        ports,
        authentication: None,
        gap: None,
        origin,
        reference: RuleReference::default(),
    };
    // An unknown peer fails closed, whatever the other peers of the rule are.
    if has_unknown && effect != Effect::Allow {
        entries.push(entry(Effect::Deny, Peers::Any, ports.clone()));
    }
    if !has_unknown || !peers.are_nobody() {
        entries.push(entry(effect, peers, ports));
    }
    if let Some((index, node, names)) = domains {
        let matcher = PeerMatcher::Selector(selectors::dns_servers());
        let peer = Peer { matcher, field: PeerField::Peers, index, position: node.position };
        let proxy = (!names.is_empty()).then(|| Arc::new(Proxy::Dns(names)));
        let ports = DNS_PORTS.map(|name| PortRule {
            matcher: ports::named(name),
            proxy: proxy.clone(),
            path: PortPath::DomainNames(index),
            position: node.position,
            reference: RuleReference::default(),
        });
        entries.push(entry(Effect::Allow, Peers::OneOf(vec![peer]), Ports::OneOf(ports.into())));
    }
    Ok(())
}
