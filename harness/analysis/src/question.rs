//! One column or one row of the matrix, with the rules: who makes an attempt, and what a source reaches.

use std::collections::BTreeMap;

use verdikt_engine::model::PolicyModel;
use verdikt_engine::model_endpoint::{ModelEndpoint, TrafficKind};
use verdikt_engine::rule::{Direction, Effect, Peers, Ports};
use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::prediction::{Answer, Check, Prediction};
use verdikt_scenario::topology::{Endpoint, Protocol};

use crate::access::{Access, AccessProfile};
use crate::end::TrafficEnd;
use crate::matrix::is_shown;
use crate::reason::{Reason, SideReason, reasons};
use crate::universe::Universe;

/// Sources that are treated alike, by the same rules.
#[derive(Clone, Debug)]
pub struct SourceGroup {
    /// The sources, in order.
    pub ends: Vec<TrafficEnd>,
    /// Whether their attempts pass.
    pub passes: bool,
    /// What happens to their attempts: `allow`, `deny ingress`, `abstains`.
    pub verdict: String,
    /// Why, a line for each check on the way.
    pub why: Vec<String>,
}

/// Who may make an attempt, and who may not; those that pass come first. If the target is an endpoint, they include
/// addresses outside that policies name.
pub fn who(model: &PolicyModel<'_>, attempt: &Attempt) -> Vec<SourceGroup> {
    let mut found: BTreeMap<(bool, String, Vec<String>), Vec<TrafficEnd>> = BTreeMap::new();
    let target = attempt.target().and_then(Target::endpoint);
    for (endpoint, _) in model.model_endpoints() {
        let end = TrafficEnd::Endpoint(endpoint.clone());
        if target == Some(endpoint) || !is_shown(&end, model.topology()) {
            continue;
        }
        let prediction = model.predict(endpoint, attempt);
        let key = (prediction.answer != Answer::Allow, prediction.answer.to_string(), why(&prediction));
        found.entry(key).or_default().push(end);
    }
    if let (Some(target), Attempt::Connect { protocol, port, .. }) = (target, attempt) {
        for (end, reason) in from_outside(model, target, *protocol, port.get()) {
            let why = reason.deciding().into_iter().map(|(side, reason)| format!("{side}: {reason}"));
            let key = (!reason.access.passes(), reason.access.to_string(), why.collect());
            found.entry(key).or_default().push(end);
        }
    }
    let sources = found.into_iter().map(|((fails, verdict, why), mut ends)| {
        ends.sort();
        SourceGroup { ends, passes: !fails, verdict, why }
    });
    sources.collect()
}

/// What happens to traffic from the addresses that policies name to an endpoint.
fn from_outside(
    model: &PolicyModel<'_>,
    target: &Endpoint,
    protocol: Protocol,
    port: u16,
) -> Vec<(TrafficEnd, Reason)> {
    let Some(to) = model.model_endpoint(target).filter(ModelEndpoint::is_managed) else { return Vec::new() };
    let universe = Universe::new(&[model], []);
    let mut found = Vec::new();
    for group in universe.groups() {
        let Some(from) = &group.model_endpoints[0] else { continue };
        let mut blocks = group.ends.iter().filter(|end| matches!(end, TrafficEnd::Block(_))).peekable();
        if blocks.peek().is_none() {
            continue;
        }
        if let Some(reason) = reasons(model, from, &to).at(TrafficKind::Ports(protocol), port) {
            found.extend(blocks.map(|end| (end.clone(), reason.clone())));
        }
    }
    found
}

/// The decision of each check on the way of an attempt.
fn why(prediction: &Prediction) -> Vec<String> {
    let line = |check: &Check| format!("{}: {}", check.point, SideReason::of(check.decision.clone()));
    prediction.checks.iter().map(line).collect()
}

/// Destinations that a source reaches in the same way, for the same reasons.
#[derive(Clone, Debug)]
pub struct DestinationGroup {
    /// The destinations, in order.
    pub ends: Vec<TrafficEnd>,
    /// What happens to the traffic to them, and why.
    pub reasons: AccessProfile<Reason>,
}

impl DestinationGroup {
    /// Whether they are reached at all.
    pub fn any_passes(&self) -> bool {
        self.reasons.iter().any(|(_, reason)| !matches!(reason.access, Access::Deny(_)))
    }

    /// Whether the engine abstains for some of the traffic.
    pub fn has_unknown(&self) -> bool {
        self.reasons.iter().any(|(_, reason)| reason.access == Access::Unknown)
    }
}

/// What a source reaches, then what it does not reach.
pub fn reach(model: &PolicyModel<'_>, source: &TrafficEnd) -> Option<Vec<DestinationGroup>> {
    let universe = Universe::new(&[model], [source.clone()]);
    let from = universe.groups()[universe.group_of(source)?].model_endpoints[0].clone()?;
    let mut found: BTreeMap<(bool, AccessProfile<Reason>), Vec<TrafficEnd>> = BTreeMap::new();
    for group in universe.groups() {
        let Some(to) = &group.model_endpoints[0] else { continue };
        let ends = group.ends.iter().filter(|end| *end != source && is_shown(end, model.topology()));
        let ends: Vec<TrafficEnd> = ends.cloned().collect();
        if ends.is_empty() || !(from.is_managed() || to.is_managed()) {
            continue;
        }
        let destinations = DestinationGroup { ends, reasons: reasons(model, &from, to) };
        let key = (!destinations.any_passes(), destinations.reasons);
        found.entry(key).or_default().extend(destinations.ends);
    }
    let destinations = found.into_iter().map(|((_, reasons), mut ends)| {
        ends.sort();
        DestinationGroup { ends, reasons }
    });
    Some(destinations.collect())
}

/// The attempts of a source by the names that clients use: each port of each service, and the servers outside by
/// their DNS names.
pub fn by_name(model: &PolicyModel<'_>, source: &Endpoint) -> Vec<(Attempt, Prediction)> {
    let topology = model.topology();
    let services = topology.services.iter().flat_map(|(name, service)| {
        service.ports.iter().map(|port| (port.protocol, Target::Service(name.clone()), port.port))
    });
    let served = topology.world.values().flat_map(|host| {
        host.names.iter().flat_map(|name| {
            host.serves.iter().map(|served| {
                let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
                let protocol = protocols.into_iter().find(|it| served.protocol.answers(*it));
                (protocol.unwrap_or(Protocol::Tcp), Target::Name(name.clone()), served.port)
            })
        })
    });
    let attempts = services.chain(served);
    let predicted = attempts.map(|(protocol, target, port)| {
        let attempt = Attempt::Connect { protocol, target, port };
        let prediction = model.predict(source, &attempt);
        (attempt, prediction)
    });
    predicted.collect()
}

/// A rule that allows a peer, by its requirements.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdmittingRule {
    /// The requirements on the other end: `app=cart, io.kubernetes.pod.namespace=shop`.
    pub wanted: String,
    /// The ports, as in the policy; none means all.
    pub ports: Vec<String>,
    /// Whether it denies instead.
    pub denies: bool,
    /// The object, and the position of the rule in it.
    pub rule: String,
}

/// What a pod that does not exist yet would need, so that the ingress policy of an endpoint allows it, or its egress
/// policy allows reaching it: one line for each rule that matters for some traffic (all traffic if none is given).
/// Empty if everything passes.
pub fn needed(
    model: &PolicyModel<'_>,
    endpoint: &Endpoint,
    direction: Direction,
    traffic: Option<(Protocol, u16)>,
) -> Option<Vec<AdmittingRule>> {
    let model_endpoint = model.model_endpoint(endpoint)?;
    if !model_endpoint.is_isolated(direction) {
        return None;
    }
    let mut admissions = Vec::new();
    for index in model_endpoint.entries(direction) {
        let entry = model.entry_at(*index);
        let covers = |matcher: &_| {
            traffic.is_none_or(|(protocol, port)| {
                let span = model.interval(
                    matcher,
                    TrafficKind::Ports(protocol),
                    model_endpoint.identity(),
                    direction,
                );
                span.is_some_and(|(first, last)| (first..=last).contains(&port))
            })
        };
        let (applies, ports) = match &entry.ports {
            Ports::All => (true, Vec::new()),
            Ports::OneOf(rules) => {
                let rules = rules.iter().filter(|rule| covers(&rule.matcher));
                let ports: Vec<String> = rules.map(|rule| rule.matcher.to_string()).collect();
                (!ports.is_empty(), ports)
            }
        };
        // Later entries decide about what an entry passes on.
        if !applies || entry.effect == Effect::Pass {
            continue;
        }
        let wanted = match &entry.peers {
            Peers::Any => vec!["everyone".to_owned()],
            Peers::OneOf(peers) => peers.iter().map(|peer| peer.matcher.to_string()).collect(),
        };
        let rule = format!("{} {}", model.object_of(entry).short(), entry.origin);
        let denies = entry.effect == Effect::Deny;
        admissions.extend(wanted.into_iter().map(|wanted| AdmittingRule {
            wanted,
            ports: ports.clone(),
            denies,
            rule: rule.clone(),
        }));
    }
    admissions.sort();
    admissions.dedup();
    Some(admissions)
}
