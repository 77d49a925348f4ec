//! Explains decisions: the rules behind each, and for a denial the rule that came nearest to allowing it.

mod dns_rules;
mod inside_tls;
mod server_names;

use std::collections::BTreeSet;
use std::mem::discriminant;
use std::sync::Arc;

use verdikt_scenario::attempt::Scheme;
use verdikt_scenario::policy::PolicyKind;
use verdikt_scenario::prediction::{Decision, Miss, RuleRef};
use verdikt_scenario::topology::Protocol;

use crate::decide::{DecisionKind, Match, Matches, OnMiss, Traffic};
use crate::dns::NamePattern;
use crate::http::{Mismatch, RequestHead, RequestReading, RequestTarget, read_request, unconfigured};
use crate::identity::Identity;
use crate::model::{EndpointState, PolicyModel, PolicySide};
use crate::peer_miss::{Author, peer_miss};
use crate::rule::{
    Direction, Effect, Peer, PeerMatcher, Peers, PortMatcher, PortRule, Ports, Proxy, RuleEntry,
};
pub(crate) use dns_rules::Query;
pub use server_names::ClientHello;
pub(crate) use server_names::UNSEEN_NAME;

/// The gap for a datagram to the DNS proxy that is not a query.
pub const NO_QUERY: &str = "what the DNS proxy does with a datagram that is not a query";

impl PolicyModel<'_> {
    /// The decision of one side, with the rules behind it.
    pub(crate) fn decision(
        &self,
        subject: &EndpointState,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
        matches: &Matches<'_>,
    ) -> Decision {
        let side = subject.side(direction);
        let rules = |matches: &[Match<'_>]| matches.iter().map(|matched| self.rule_of(matched)).collect();
        match matches.kind {
            DecisionKind::NotEnforced => Decision::NotIsolated,
            DecisionKind::Allow { .. } if matches.allowed.is_empty() => Decision::NotIsolated,
            DecisionKind::Allow { .. } => Decision::Allowed { by: rules(&matches.allowed) },
            DecisionKind::LocalHost => Decision::LocalHost,
            DecisionKind::Denied => Decision::Denied { by: rules(&matches.denied) },
            DecisionKind::NoRuleAllows => Decision::NoRuleAllows {
                isolated_by: Arc::clone(&side.isolated_by),
                nearest: self.nearest(side, subject, direction, peer, traffic).map(Box::new),
            },
            DecisionKind::Unknown => {
                let (gap, index) = matches.gap.map_or(("", None), |(gap, index)| (gap, Some(index)));
                Decision::Unknown { gap: gap.to_owned(), rule: index.map(|index| self.rule(index)) }
            }
            DecisionKind::Conflict => {
                let conflict = side.conflict.or(subject.ingress.conflict).or(subject.egress.conflict);
                let what = conflict.map_or("rules", |conflict| conflict.what);
                let gap = format!(
                    "which policy stays in force: {what} at one port for the same peer cannot be merged, the agent \
                     fails to compute this endpoint's policy and keeps the one before"
                );
                Decision::Unknown { gap, rule: conflict.map(|conflict| self.rule(conflict.entries[1])) }
            }
        }
    }

    /// The decision of the HTTP proxy. If its releases read the request differently, and the rules decide differently
    /// for these readings, the engine does not know.
    pub(crate) fn http_decision(
        &self,
        matches: &Matches<'_>,
        request: &RequestHead<'_>,
        scheme: Scheme,
    ) -> Decision {
        let target = match read_request(request) {
            RequestTarget::Judged(target) => target,
            RequestTarget::Redirected(to) => {
                return Decision::Redirected { to, by: self.redirecting(matches) };
            }
            RequestTarget::Rejected => {
                let gap = "what a policy says of a request that the HTTP proxy rejects before any rule";
                return self.undecided(matches, gap.to_owned());
            }
            RequestTarget::Unknown(gap) => return self.undecided(matches, gap.to_owned()),
        };
        let readings = RequestReading::all(request, &target);
        let mut decisions = readings.iter().map(|reading| self.decision_of_reading(matches, reading, scheme));
        let Some(first) = decisions.next() else { return self.decision_on_miss(matches, None) };
        if decisions.all(|other| discriminant(&other) == discriminant(&first)) {
            let passes = !matches!(first, Decision::NoRuleAllows { .. } | Decision::Unknown { .. });
            return match unconfigured(request).filter(|_| passes) {
                Some(gap) => self.undecided(matches, gap),
                None => first,
            };
        }
        self.undecided(matches, "which release of the HTTP proxy reads this request".to_owned())
    }

    /// A decision that is not known.
    fn undecided(&self, matches: &Matches<'_>, gap: String) -> Decision {
        Decision::Unknown { gap, rule: self.redirecting(matches).first().cloned() }
    }

    /// The decision about one reading of a request: it passes if any allow entry of the connection allows it, and an
    /// entry without HTTP rules allows every request.
    fn decision_of_reading(
        &self,
        matches: &Matches<'_>,
        reading: &RequestReading<'_>,
        scheme: Scheme,
    ) -> Decision {
        let mut unknown = None;
        let mut nearest = None;
        for matched in &matches.allowed {
            if let Some(gap) = inside_tls::gap(matched.proxy(), scheme) {
                unknown = unknown.or(Some((gap, matched)));
                continue;
            }
            match matched.proxy() {
                None => return Decision::Allowed { by: vec![self.rule_of(matched)] },
                Some(Proxy::Http(rules) | Proxy::HttpInTls { rules, .. }) => {
                    for rule in rules {
                        match rule.allows(reading) {
                            Ok(()) if inside_tls::goes_on_in_plain(matched.proxy()) => {
                                unknown = unknown.or(Some((inside_tls::IN_PLAIN, matched)));
                            }
                            Ok(()) => return Decision::Allowed { by: vec![self.rule_of(matched)] },
                            Err(Mismatch::Unknown(gap)) => unknown = unknown.or(Some((gap, matched))),
                            Err(Mismatch::Differs(on)) => {
                                nearest = nearest.or_else(|| Some(Miss { rule: self.rule_of(matched), on }));
                            }
                        }
                    }
                }
                Some(Proxy::Unmodelled(what)) => unknown = unknown.or(Some((what.gap(), matched))),
                Some(Proxy::ServerNames(_)) => unknown = unknown.or(Some((server_names::MIXED, matched))),
                Some(Proxy::Dns(_)) => {
                    unknown = unknown.or(Some(("what the DNS proxy does with HTTP", matched)));
                }
            }
        }
        match unknown {
            Some((gap, matched)) => {
                Decision::Unknown { gap: gap.to_owned(), rule: Some(self.rule_of(matched)) }
            }
            None if matches.allowed_later && matches.on_miss == OnMiss::Deny => {
                let gap = "whether the HTTP proxy goes on to the rules of the tiers after";
                self.undecided(matches, gap.to_owned())
            }
            None => self.decision_on_miss(matches, nearest),
        }
    }

    /// The decision about a request that no rule of a proxy allows.
    fn decision_on_miss(&self, matches: &Matches<'_>, nearest: Option<Miss>) -> Decision {
        let nearest = nearest.map(Box::new);
        match matches.on_miss {
            OnMiss::Pass => Decision::NotIsolated,
            OnMiss::PassFromLocalHost => Decision::LocalHost,
            OnMiss::Deny => Decision::NoRuleAllows { isolated_by: self.redirecting(matches), nearest },
        }
    }

    /// Decides about a connection that is only established: the HTTP and DNS proxies accept every one. Other proxies
    /// are not modelled, nor is a datagram to the DNS proxy that is not a query.
    pub(crate) fn reach_decision(&self, matches: &Matches<'_>, traffic: Traffic) -> Option<Decision> {
        if matches.allowed.iter().any(|matched| matched.proxy().is_none()) {
            return None;
        }
        matches.allowed.iter().find_map(|matched| match matched.proxy() {
            Some(Proxy::Unmodelled(what)) => {
                Some(Decision::Unknown { gap: what.gap().to_owned(), rule: Some(self.rule_of(matched)) })
            }
            Some(Proxy::ServerNames(_)) => {
                Some(Decision::Unknown { gap: UNSEEN_NAME.to_owned(), rule: Some(self.rule_of(matched)) })
            }
            Some(Proxy::Dns(_)) if matches!(traffic, Traffic::Port(Protocol::Udp, _)) => {
                Some(Decision::Unknown { gap: NO_QUERY.to_owned(), rule: Some(self.rule_of(matched)) })
            }
            _ => None,
        })
    }

    /// The rules that send the traffic to a proxy.
    pub(crate) fn redirecting(&self, matches: &Matches<'_>) -> Arc<[Arc<RuleRef>]> {
        let redirecting = matches.allowed.iter().filter(|matched| matched.proxy().is_some());
        redirecting.map(|matched| self.rule_of(matched)).collect()
    }

    /// The rules that isolate an endpoint, one for each object.
    pub(crate) fn isolated_by(&self, side: &PolicySide) -> Arc<[Arc<RuleRef>]> {
        let mut objects = BTreeSet::new();
        let isolating = side.entries.iter().filter(|index| {
            let entry = self.entry(**index);
            entry.isolates && objects.insert(entry.origin.object)
        });
        isolating.map(|index| self.rule(*index)).collect()
    }

    /// The rule for an entry.
    fn rule(&self, index: (usize, usize)) -> Arc<RuleRef> {
        self.rule_at(self.entry(index), None)
    }

    pub(crate) fn rule_of(&self, matched: &Match<'_>) -> Arc<RuleRef> {
        self.rule_at(matched.entry, matched.port)
    }

    fn rule_at(&self, entry: &RuleEntry, port: Option<&PortRule>) -> Arc<RuleRef> {
        let reference = port.map_or(&entry.reference, |port| &port.reference);
        reference.get(|| {
            let object = &self.objects[entry.origin.object];
            let path = match port {
                Some(port) => format!("{}.{}", entry.origin, port.path),
                None => entry.origin.to_string(),
            };
            let position = port.map_or(entry.origin.position, |port| port.position);
            let place = position.in_file(&object.file);
            let is_tiered = object.kind() == Some(PolicyKind::ClusterNetworkPolicy);
            let precedence = is_tiered.then_some(entry.precedence);
            RuleRef { object: object.reference.clone(), path, place, precedence }
        })
    }

    /// The allow entry that comes nearest: it fails only on the port, or on the fewest requirements of a peer, or on
    /// both.
    fn nearest(
        &self,
        side: &PolicySide,
        subject: &EndpointState,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
    ) -> Option<Miss> {
        let destination = if direction == Direction::Ingress { &subject.identity } else { peer };
        let allows = side.entries.iter().map(|index| (*index, self.entry(*index)));
        let candidates =
            allows.filter(|(_, entry)| entry.effect == Effect::Allow).filter_map(|(index, entry)| {
                let port = match &entry.ports {
                    Ports::All => None,
                    Ports::OneOf(rules) if rules.is_empty() => return None,
                    Ports::OneOf(rules) => {
                        let matches = rules
                            .iter()
                            .any(|rule| rule.matcher.matches(traffic, destination, self, direction));
                        (!matches).then_some(rules)
                    }
                };
                let (distance, candidate) = match &entry.peers {
                    Peers::Any => (0, None),
                    Peers::OneOf(peers) if peers.iter().any(|candidate| candidate.matches(peer)) => (0, None),
                    Peers::OneOf(peers) => {
                        let distances =
                            peers.iter().map(|candidate| (peer_distance(candidate, peer), candidate));
                        let (distance, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
                        (distance, Some(candidate))
                    }
                };
                let distance = distance + if port.is_some() { 2 } else { 0 };
                Some((distance, index, port, candidate))
            });
        // Only the nearest one is described.
        let (_, index, port, candidate) = candidates.min_by_key(|(distance, ..)| *distance)?;
        let kind = self.objects[self.entry(index).origin.object].kind();
        let candidate = candidate.map(|candidate| peer_miss(candidate, peer, Author { direction, kind }));
        let port = port.map(|rules| port_miss(rules, traffic, destination));
        let parts: Vec<String> = candidate.into_iter().chain(port).collect();
        Some(Miss { rule: self.rule(index), on: parts.join("; ") })
    }
}

/// How far an identity is from a peer.
fn peer_distance(peer: &Peer, identity: &Identity) -> usize {
    match &peer.matcher {
        PeerMatcher::Selector(_) if identity.address.is_some() => 6,
        PeerMatcher::Selector(selector) => {
            selector.requirements.iter().filter(|requirement| !requirement.holds(identity)).count()
        }
        PeerMatcher::Entity(_) => 3,
        PeerMatcher::CidrGroups { .. } => 2,
        PeerMatcher::Cidr { except, .. } => match identity.address {
            None => 4,
            Some(address) if except.iter().any(|prefix| prefix.contains(&address)) => 1,
            Some(_) => 2,
        },
        PeerMatcher::Name(_) if identity.address.is_none() => 4,
        PeerMatcher::Name(_) => 1,
    }
}

fn name_miss(name: &str, patterns: &[NamePattern]) -> String {
    let listed: Vec<String> = patterns.iter().map(|pattern| format!("`{pattern}`")).collect();
    let hint = patterns.iter().find_map(|pattern| {
        let text = pattern.to_string();
        let suffix = text.strip_prefix("*.")?.to_owned();
        let more_labels =
            name.strip_suffix(&suffix).is_some_and(|rest| rest.trim_end_matches('.').contains('.'));
        more_labels.then_some("; a star matches only one label")
    });
    format!("name: {name} does not match {}{}", listed.join(" or "), hint.unwrap_or_default())
}

fn port_miss(rules: &[PortRule], traffic: Traffic, destination: &Identity) -> String {
    let offered: Vec<String> = rules.iter().map(|rule| rule.matcher.to_string()).collect();
    let undeclared = rules.iter().find_map(|rule| match &rule.matcher {
        PortMatcher::Name { name, .. } if !destination.port_names.iter().any(|named| named.name == *name) => {
            Some(format!("; the destination declares no port named {name}"))
        }
        _ => None,
    });
    let actual = match traffic {
        Traffic::Port(protocol, port) => format!("{protocol} {port}"),
        Traffic::Icmp { v6, kind } => format!("{} type {kind}", if v6 { "icmpv6" } else { "icmp" }),
    };
    format!("port: {actual} is not {}{}", offered.join(" or "), undeclared.unwrap_or_default())
}
