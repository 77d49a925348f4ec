//! The decision of the DNS proxy about a query.

use std::sync::Arc;

use verdikt_scenario::prediction::{Decision, Miss, RuleRef};

use super::name_miss;
use crate::decide::{Match, Matches, OnMiss, Traffic};
use crate::dns::NamePattern;
use crate::identity::Identity;
use crate::model::{EndpointState, PolicyModel, Tiers};
use crate::rule::{Direction, Effect, PeerMatcher, Peers, PortMatcher, PortRule, Ports, Proxy, RuleEntry};

/// A query on its way from an endpoint to a server.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) subject: &'a EndpointState,
    pub(crate) server: &'a Identity,
    pub(crate) traffic: Traffic,
    pub(crate) name: &'a str,
}

impl PolicyModel<'_> {
    /// The decision of the DNS proxy, or none if the query goes to no proxy.
    pub(crate) fn dns_decision(&self, matches: &Matches<'_>, query: &Query<'_>) -> Option<Decision> {
        let is_dns = |matched: &Match<'_>| matches!(matched.proxy(), Some(Proxy::Dns(_)));
        let another = |matched: &&Match<'_>| matched.proxy().is_some() && !is_dns(matched);
        if let Some(matched) = matches.allowed.iter().find(another) {
            let gap = "what another proxy does with a DNS query".to_owned();
            return Some(Decision::Unknown { gap, rule: Some(self.rule_of(matched)) });
        }
        if query.subject.egress.tiers == Tiers::Several && matches.allowed.iter().any(is_dns) {
            return Some(self.decision_of_first_filter(matches, query));
        }
        self.decision_of_one_tier(matches, query.name)
    }

    /// The decision by the rules of a single tier. The proxy applies only rules for exactly this port and protocol,
    /// so an allow of all ports does not help, but a plain allow of the port does.
    fn decision_of_one_tier(&self, matches: &Matches<'_>, name: &str) -> Option<Decision> {
        let dns = |matched: &&Match<'_>| matches!(matched.proxy(), Some(Proxy::Dns(_)));
        let redirect = matches.allowed.iter().find(dns)?;
        let filter = redirect.port.map(|port| &port.matcher)?;
        let mut nearest = None;
        for matched in &matches.allowed {
            let Some(port) = matched.port else { continue };
            if !port.matcher.same_ports(filter) {
                continue;
            }
            let patterns = match matched.proxy() {
                None => return Some(Decision::Allowed { by: vec![self.rule_of(matched)] }),
                Some(Proxy::Dns(patterns)) => patterns,
                Some(
                    Proxy::Http(_) | Proxy::HttpInTls { .. } | Proxy::ServerNames(_) | Proxy::Unmodelled(_),
                ) => continue,
            };
            if patterns.iter().any(|pattern| pattern.matches(name)) {
                return Some(Decision::Allowed { by: vec![self.rule_of(matched)] });
            }
            nearest =
                nearest.or_else(|| Some(Miss { rule: self.rule_of(matched), on: name_miss(name, patterns) }));
        }
        Some(self.decision_on_miss(matches, nearest))
    }

    /// The decision by the rules of several tiers. The proxy has one set of rules for each port: that of the first
    /// tier with DNS rules there, whatever servers these name; and rules for named ports before those for numbers.
    fn decision_of_first_filter(&self, matches: &Matches<'_>, query: &Query<'_>) -> Decision {
        let rules = self.dns_rules_at(query);
        let Some(filter) =
            rules.iter().min_by_key(|(entry, port)| (entry.precedence.tier, port.matcher.is_by_number()))
        else {
            return self.decision_on_miss(matches, None);
        };
        let mut nearest = None;
        let rules = self.rules_of_filter(query, filter);
        let is_server_named = !rules.is_empty();
        for (matched, patterns) in rules {
            match patterns {
                Some(patterns) if !patterns.iter().any(|pattern| pattern.matches(query.name)) => {
                    let on = name_miss(query.name, patterns);
                    nearest = nearest.or_else(|| Some(Miss { rule: self.rule_of(&matched), on }));
                }
                _ => return Decision::Allowed { by: vec![self.rule_of(&matched)] },
            }
        }
        // An endpoint that is not isolated may ask for every name, from the servers that the rules name.
        if is_server_named && matches.on_miss != OnMiss::Deny {
            return self.decision_on_miss(matches, None);
        }
        let rule = self.rule_of(&Match { entry: filter.0, port: Some(filter.1) });
        let nearest = nearest.unwrap_or_else(|| Miss {
            rule: Arc::clone(&rule),
            on: "server: the DNS rules used at this port are for another server".to_owned(),
        });
        let isolated_by: Arc<[Arc<RuleRef>]> = [rule].into();
        Decision::NoRuleAllows { isolated_by, nearest: Some(Box::new(nearest)) }
    }

    /// The DNS rules of an endpoint at the port of a query, whatever their servers.
    fn dns_rules_at(&self, query: &Query<'_>) -> Vec<DnsRuleAtPort<'_>> {
        let entries = query.subject.egress.entries.iter().map(|index| self.entry(*index));
        let rules = entries.filter(|entry| entry.effect == Effect::Allow).flat_map(|entry| {
            let ports = match &entry.ports {
                Ports::All => &[][..],
                Ports::OneOf(ports) => ports,
            };
            ports.iter().map(move |port| (entry, port))
        });
        rules
            .filter(|(_, port)| matches!(port.proxy.as_deref(), Some(Proxy::Dns(_))))
            .filter(|(entry, port)| self.leads_to(entry, &port.matcher, query.traffic))
            .collect()
    }

    /// Whether a port rule means the port of some traffic at any of the endpoints that an entry is about.
    fn leads_to(&self, entry: &RuleEntry, port: &PortMatcher, traffic: Traffic) -> bool {
        let at = |destination: &Identity| port.matches(traffic, destination, self, Direction::Egress);
        if port.is_by_number() {
            return at(&Identity::default());
        }
        self.subjects.values().any(|subject| entry.peers.contain(&subject.identity) && at(&subject.identity))
    }

    /// The rules of a filter for the server of a query, each with its patterns; none means every name. Of two for the
    /// same servers the earlier one replaces the later.
    fn rules_of_filter<'m>(
        &'m self,
        query: &Query<'_>,
        (first, at): &DnsRuleAtPort<'m>,
    ) -> Vec<(Match<'m>, Option<&'m [NamePattern]>)> {
        let mut kept: Vec<(Option<&PeerMatcher>, &RuleEntry)> = Vec::new();
        let mut rules = Vec::new();
        let entries = query.subject.egress.entries.iter().map(|index| self.entry(*index));
        for entry in entries
            .filter(|entry| entry.effect == Effect::Allow && entry.precedence.tier == first.precedence.tier)
        {
            let Ports::OneOf(ports) = &entry.ports else { continue };
            let servers: Vec<Option<&PeerMatcher>> = match &entry.peers {
                Peers::Any => vec![None],
                Peers::OneOf(peers) => peers
                    .iter()
                    .filter(|peer| peer.matches(query.server))
                    .map(|peer| Some(&peer.matcher))
                    .collect(),
            };
            for port in ports.iter().filter(|port| port.matcher.same_ports(&at.matcher)) {
                for server in &servers {
                    let is_replaced =
                        kept.iter().any(|(other, by)| other == server && by.precedence != entry.precedence);
                    if is_replaced {
                        continue;
                    }
                    kept.push((*server, entry));
                    let patterns = match port.proxy.as_deref() {
                        Some(Proxy::Dns(patterns)) => Some(patterns.as_slice()),
                        _ => None,
                    };
                    rules.push((Match { entry, port: Some(port) }, patterns));
                }
            }
        }
        rules
    }
}

/// A DNS rule, and its port.
type DnsRuleAtPort<'m> = (&'m RuleEntry, &'m PortRule);

impl PortMatcher {
    fn is_by_number(&self) -> bool {
        !matches!(self, Self::Name { .. })
    }
}
