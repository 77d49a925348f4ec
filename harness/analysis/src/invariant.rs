//! Checks invariants: for every pod, every port, and every pod that could be created.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_engine::model::PolicyModel;
use verdikt_engine::model_endpoint::TrafficKind;
use verdikt_scenario::invariant::{Demand, EndPattern, Invariant};
use verdikt_scenario::topology::{DNS_PORT, Endpoint, Port, Protocol};

use crate::access::{Access, AccessProfile, Interval};
use crate::end::TrafficEnd;
use crate::future::{FuturePod, future_pods};
use crate::matrix::is_shown;
use crate::reason::{Reason, reasons};
use crate::universe::{EndGroup, Universe};

/// What the policy model says of an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It holds for this many pairs of ends. Pods that could be created count once for each group that policies
    /// distinguish.
    Holds {
        /// How many.
        pairs: usize,
    },
    /// It does not hold.
    Broken(Box<Counterexample>),
    /// The engine does not know; completes "does not know …".
    Unknown(String),
}

/// The smallest counterexample to an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The source.
    pub from: TrafficEnd,
    /// The destination.
    pub to: TrafficEnd,
    /// The traffic.
    pub interval: Interval,
    /// What happens to it, and by which rules.
    pub reason: Reason,
    /// How many more pairs of ends break it.
    pub more: usize,
}

/// Proves invariants for a model, in their order.
pub fn prove(model: &PolicyModel<'_>, invariants: &[Invariant]) -> Vec<Proof> {
    if invariants.is_empty() {
        return Vec::new();
    }
    let futures = FuturePods::of(model, invariants);
    let more = futures.pods.values().flatten().flatten().map(|pod| TrafficEnd::Future(Box::new(pod.clone())));
    let universe = Universe::new(&[model], more);
    let proofs = invariants.iter().map(|invariant| {
        let question = InvariantQuestion { model, universe: &universe, futures: &futures, invariant };
        question.answer()
    });
    proofs.collect()
}

/// The largest number of possible pods that are considered for one name of an invariant.
const MOST_FUTURES: usize = 50_000;

/// The pods that could be created, by how an invariant names them; none if there are too many.
struct FuturePods {
    pods: BTreeMap<String, Option<Vec<FuturePod>>>,
}

impl FuturePods {
    fn of(model: &PolicyModel<'_>, invariants: &[Invariant]) -> Self {
        let mut pods: BTreeMap<String, Option<Vec<FuturePod>>> = BTreeMap::new();
        for ends in invariants.iter().flat_map(|invariant| [&invariant.from, &invariant.to]) {
            pods.entry(ends.to_string()).or_insert_with(|| {
                let mut all = Vec::new();
                for (namespace, labels) in ends.futures(model.topology()) {
                    all.extend(future_pods(model, namespace, labels)?);
                    if all.len() > MOST_FUTURES {
                        return None;
                    }
                }
                Some(all)
            });
        }
        Self { pods }
    }
}

/// An invariant with its context.
struct InvariantQuestion<'q, 'm> {
    model: &'q PolicyModel<'m>,
    universe: &'q Universe<'q, 'm>,
    futures: &'q FuturePods,
    invariant: &'q Invariant,
}

impl InvariantQuestion<'_, '_> {
    fn answer(&self) -> Proof {
        let Invariant { from, to, .. } = self.invariant;
        let (Some(sources), Some(destinations)) = (self.ends(from), self.ends(to)) else {
            let gap = "what policies say of all the labels that a future pod could have: they are too many";
            return Proof::Unknown(gap.to_owned());
        };
        if *to == EndPattern::Dns && destinations.is_empty() {
            return Proof::Unknown("who answers DNS: its service has no backend".to_owned());
        }
        let mut tally = Tally::default();
        for (source, from) in &sources {
            for (destination, to) in &destinations {
                let of_group = |number: usize| self.group(number).model_endpoints[0].as_ref();
                let (Some(client), Some(server)) = (of_group(*source), of_group(*destination)) else {
                    continue;
                };
                if !client.is_managed() && !server.is_managed() {
                    continue;
                }
                let found = reasons(self.model, client, server);
                for (wanted, to) in self.wanted(to) {
                    if let Some(ends) = distinct(from, &to) {
                        // An end is never its own destination.
                        let same = from.iter().filter(|end| to.binary_search(end).is_ok()).count();
                        let pairs = from.len() * to.len() - same;
                        tally.add(ends, pairs, self.first_failure(&found, &wanted));
                    }
                }
            }
        }
        tally.into_proof()
    }

    fn group(&self, number: usize) -> &EndGroup {
        &self.universe.groups()[number]
    }

    /// The ends that a name of the invariant means, by group; none if there are too many.
    fn ends(&self, ends: &EndPattern) -> Option<Vec<(usize, Vec<TrafficEnd>)>> {
        let topology = self.model.topology();
        let futures = self.futures.pods.get(&ends.to_string())?.as_ref()?;
        let futures: BTreeSet<&FuturePod> = futures.iter().collect();
        let is_one = |end: &TrafficEnd| match end {
            TrafficEnd::Endpoint(endpoint) => ends.contain(endpoint, topology) && is_shown(end, topology),
            TrafficEnd::Block(_) | TrafficEnd::Name(_) => *ends == EndPattern::World,
            TrafficEnd::Future(pod) => futures.contains(&**pod),
        };
        let groups = self.universe.groups().iter().enumerate().map(|(number, group)| {
            (number, group.ends.iter().filter(|end| is_one(end)).cloned().collect::<Vec<TrafficEnd>>())
        });
        Some(groups.filter(|(_, ends)| !ends.is_empty()).collect())
    }

    /// The traffic that the invariant covers, with those destinations of a group that it covers.
    fn wanted(&self, to: &[TrafficEnd]) -> Vec<(Vec<Interval>, Vec<TrafficEnd>)> {
        let Invariant { demand, ports, .. } = self.invariant;
        let span = |protocol: Protocol, first: u16, last: u16| Interval {
            transport: TrafficKind::Ports(protocol),
            first,
            last,
        };
        let whole = |transport: TrafficKind| {
            let (first, last) = transport.bounds();
            Interval { transport, first, last }
        };
        if !ports.is_empty() {
            let ports = ports.iter().map(|it| span(it.protocol, it.first, it.last)).collect();
            return vec![(ports, to.to_vec())];
        }
        match demand {
            _ if self.invariant.to == EndPattern::Dns => {
                let servers = self.model.topology().dns_servers(Protocol::Udp).into_iter();
                let ports: BTreeSet<u16> =
                    servers.map(|(_, port)| port.map_or(DNS_PORT, Port::get)).collect();
                let ports = ports.into_iter().map(|port| span(Protocol::Udp, port, port)).collect();
                vec![(ports, to.to_vec())]
            }
            Demand::Never => vec![(TrafficKind::ALL.map(whole).to_vec(), to.to_vec())],
            Demand::Always => {
                let mut by_ports: BTreeMap<Vec<Interval>, Vec<TrafficEnd>> = BTreeMap::new();
                for end in to {
                    by_ports.entry(self.served(end)).or_default().push(end.clone());
                }
                by_ports.into_iter().filter(|(ports, _)| !ports.is_empty()).collect()
            }
        }
    }

    fn served(&self, end: &TrafficEnd) -> Vec<Interval> {
        let TrafficEnd::Endpoint(endpoint) = end else { return Vec::new() };
        let served = self.model.topology().serves(endpoint).iter().flat_map(|served| {
            let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter();
            let answers = protocols.filter(|protocol| served.protocol.answers(*protocol));
            let port = served.port.get();
            answers.map(move |protocol| Interval {
                transport: TrafficKind::Ports(protocol),
                first: port,
                last: port,
            })
        });
        served.collect()
    }

    /// The first traffic that breaks the invariant, or otherwise traffic about which the engine abstains.
    fn first_failure(
        &self,
        found: &AccessProfile<Reason>,
        wanted: &[Interval],
    ) -> Option<(Interval, Reason)> {
        let audit = self.model.options().enforcement.audit;
        let mut unknown = None;
        for (interval, reason) in found.iter() {
            let passes = match reason.access {
                Access::Unknown => None,
                // An invariant does not say which end denies, and one of them may be audited.
                Access::Deny(_) if self.model.audits_some() => None,
                Access::Deny(_) => Some(audit),
                Access::Allow | Access::Proxy { .. } => Some(true),
            };
            let fails = passes.map(|passes| passes == (self.invariant.demand == Demand::Never));
            if fails == Some(false) {
                continue;
            }
            let Some(common) = wanted.iter().filter_map(|wanted| common(*interval, *wanted)).min() else {
                continue;
            };
            if fails == Some(true) {
                return Some((common, reason.clone()));
            }
            unknown.get_or_insert_with(|| (common, reason.clone()));
        }
        unknown
    }
}

/// The results for pairs of ends so far.
#[derive(Default)]
struct Tally {
    pairs: usize,
    failures: usize,
    /// The smallest counterexample, and its cost to the reader.
    broken: Option<((u8, usize), Counterexample)>,
    unknown: Option<String>,
}

impl Tally {
    fn add(
        &mut self,
        (from, to): (&TrafficEnd, &TrafficEnd),
        pairs: usize,
        failure: Option<(Interval, Reason)>,
    ) {
        self.pairs += pairs;
        let Some((interval, reason)) = failure else { return };
        if reason.access == Access::Unknown {
            self.unknown.get_or_insert_with(|| gap(&reason));
            return;
        }
        self.failures += pairs;
        let effort = effort(from, to);
        let is_smaller = self
            .broken
            .as_ref()
            .is_none_or(|(known, best)| (effort, from, to) < (*known, &best.from, &best.to));
        if is_smaller {
            let (from, to) = (from.clone(), to.clone());
            self.broken = Some((effort, Counterexample { from, to, interval, reason, more: 0 }));
        }
    }

    fn into_proof(self) -> Proof {
        match (self.broken, self.unknown) {
            (Some((_, example)), _) => {
                Proof::Broken(Box::new(Counterexample { more: self.failures.saturating_sub(1), ..example }))
            }
            (None, Some(gap)) => Proof::Unknown(gap),
            (None, None) => Proof::Holds { pairs: self.pairs },
        }
    }
}

fn common(one: Interval, other: Interval) -> Option<Interval> {
    let (first, last) = (one.first.max(other.first), one.last.min(other.last));
    (one.transport == other.transport && first <= last).then_some(Interval {
        transport: one.transport,
        first,
        last,
    })
}

/// The simplest two different ends of two groups.
fn distinct<'e>(from: &'e [TrafficEnd], to: &'e [TrafficEnd]) -> Option<(&'e TrafficEnd, &'e TrafficEnd)> {
    let simplest = |ends: &'e [TrafficEnd], but: Option<&TrafficEnd>| {
        ends.iter()
            .filter(|end| Some(*end) != but || matches!(end, TrafficEnd::Future(_)))
            .min_by_key(|end| (class(end), size(end), *end))
    };
    let source = simplest(from, None)?;
    if let Some(destination) = simplest(to, Some(source)) {
        return Some((source, destination));
    }
    let destination = simplest(to, None)?;
    Some((simplest(from, Some(destination))?, destination))
}

/// How far an end is from what a reader knows.
fn class(end: &TrafficEnd) -> u8 {
    match end {
        TrafficEnd::Endpoint(Endpoint::Pod(_)) => 0,
        TrafficEnd::Endpoint(_) => 1,
        TrafficEnd::Block(_) | TrafficEnd::Name(_) => 2,
        TrafficEnd::Future(_) => 3,
    }
}

fn size(end: &TrafficEnd) -> usize {
    if let TrafficEnd::Future(pod) = end { pod.size() } else { 0 }
}

/// The cost of a counterexample to its reader.
fn effort(from: &TrafficEnd, to: &TrafficEnd) -> (u8, usize) {
    (class(from).max(class(to)), size(from) + size(to))
}

fn gap(reason: &Reason) -> String {
    let unknown = reason.deciding().into_iter().next();
    unknown.map_or_else(
        || "what happens to the traffic".to_owned(),
        |(_, found)| match found {
            crate::reason::SideReason::Unknown(gap, _) => gap.clone(),
            found => found.to_string(),
        },
    )
}
