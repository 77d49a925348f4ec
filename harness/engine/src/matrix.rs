//! Every endpoint against every endpoint, on several ports at once.
//!
//! Works with identities instead of endpoints: endpoints with the same labels and port names share one, whatever
//! their number. A selector is held against each identity once, and the rest is sets of bits.

use std::collections::BTreeMap;

use verdikt_scenario::name::HostName;
use verdikt_scenario::topology::{Endpoint, Protocol};

use crate::decide::Traffic;
use crate::identity::Identity;
use crate::model::{PolicyModel, SubjectState, Tiers};
use crate::rule::{Direction, Effect, Gap, Peers};

mod ordered;

/// A set of identities, by index.
#[derive(Clone, Debug, PartialEq, Eq)]
struct IdentitySet(Vec<u64>);

impl IdentitySet {
    fn none(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)])
    }

    fn all(size: usize) -> Self {
        Self(vec![u64::MAX; size.div_ceil(64)])
    }

    fn insert(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    fn contains(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    fn remove(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= !other);
    }
}

/// What one side makes of every peer, on one port.
#[derive(Clone, Debug)]
struct PeerRow {
    allowed: IdentitySet,
    unknown: IdentitySet,
}

/// The verdict of one cell of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CellVerdict {
    /// Both sides let it pass (to a proxy, perhaps).
    Allow,
    /// A side denies it.
    Deny,
    /// The engine does not know.
    Unknown,
}

/// The verdicts between all endpoints of a cluster.
#[derive(Clone, Debug)]
pub struct VerdictMatrix {
    endpoints: BTreeMap<Endpoint, usize>,
    ports: usize,
    /// By identity and port.
    egress: Vec<PeerRow>,
    ingress: Vec<PeerRow>,
}

impl VerdictMatrix {
    /// Evaluates every pair of endpoints on every port.
    pub fn new(cluster: &PolicyModel<'_>, ports: &[(Protocol, u16)]) -> Self {
        let mut indices: BTreeMap<(&Identity, Option<&HostName>), usize> = BTreeMap::new();
        let mut subjects: Vec<(&SubjectState, bool)> = Vec::new();
        let mut endpoints = BTreeMap::new();
        for (endpoint, subject) in &cluster.subjects {
            let managed = subject.is_managed;
            // Nodes of one identity may have policies of their own.
            let node = subject.node.as_ref().filter(|_| managed);
            let index = *indices.entry((&subject.identity, node)).or_insert_with(|| {
                subjects.push((subject, managed));
                subjects.len() - 1
            });
            endpoints.insert(endpoint.clone(), index);
        }
        let peers = peer_sets(cluster, &subjects);
        let evaluation = Evaluation { model: cluster, identities: &subjects, peers: &peers };
        let rows = |direction| {
            let evaluation = &evaluation;
            let row = move |(subject, managed): &(&SubjectState, bool), port: &(Protocol, u16)| {
                evaluation.row(subject, *managed, direction, Traffic::Port(port.0, port.1))
            };
            subjects.iter().flat_map(|subject| ports.iter().map(move |port| row(subject, port))).collect()
        };
        let (egress, ingress) = (rows(Direction::Egress), rows(Direction::Ingress));
        Self { endpoints, ports: ports.len(), egress, ingress }
    }

    /// How many identities the endpoints share.
    pub fn identities(&self) -> usize {
        self.egress.len() / self.ports.max(1)
    }

    /// The verdict from one endpoint to another on the port with this index; none for an unknown endpoint.
    pub fn cell(&self, source: &Endpoint, destination: &Endpoint, port: usize) -> Option<CellVerdict> {
        Some(self.pair(*self.endpoints.get(source)?, *self.endpoints.get(destination)?, port))
    }

    /// Every cell: source by source, destination by destination, port by port, endpoints in their order.
    pub fn cells(&self) -> impl Iterator<Item = CellVerdict> + '_ {
        let indices: Vec<usize> = self.endpoints.values().copied().collect();
        let destinations = indices.clone();
        indices.into_iter().flat_map(move |source| {
            let destinations = destinations.clone();
            destinations.into_iter().flat_map(move |destination| {
                (0..self.ports).map(move |port| self.pair(source, destination, port))
            })
        })
    }

    fn pair(&self, source: usize, destination: usize, port: usize) -> CellVerdict {
        let egress = &self.egress[source * self.ports + port];
        let ingress = &self.ingress[destination * self.ports + port];
        let open = egress.allowed.contains(destination) && ingress.allowed.contains(source);
        let unknown = egress.unknown.contains(destination) || ingress.unknown.contains(source);
        // A side that surely denies decides, whatever the other side would say.
        let surely_denied = |row: &PeerRow, peer| !row.allowed.contains(peer) && !row.unknown.contains(peer);
        if surely_denied(egress, destination) || surely_denied(ingress, source) {
            CellVerdict::Deny
        } else if unknown {
            CellVerdict::Unknown
        } else if open {
            CellVerdict::Allow
        } else {
            CellVerdict::Deny
        }
    }
}

/// The identities each entry's peers match, by entry.
fn peer_sets(cluster: &PolicyModel<'_>, subjects: &[(&SubjectState, bool)]) -> Vec<Vec<Option<IdentitySet>>> {
    let set = |peers: &Peers| match peers {
        Peers::Any => None,
        Peers::OneOf(_) => {
            let mut bits = IdentitySet::none(subjects.len());
            for (index, (subject, _)) in subjects.iter().enumerate() {
                if peers.contain(&subject.identity) {
                    bits.insert(index);
                }
            }
            Some(bits)
        }
    };
    cluster.rules.iter().map(|rule| rule.entries.iter().map(|entry| set(&entry.peers)).collect()).collect()
}

/// The evaluation of all rows: the model, its identities, and the sets of identities that entries are about.
struct Evaluation<'e> {
    model: &'e PolicyModel<'e>,
    /// Each identity, and whether policies are enforced there.
    identities: &'e [(&'e SubjectState, bool)],
    /// By rule and entry; none is everyone.
    peers: &'e [Vec<Option<IdentitySet>>],
}

impl Evaluation<'_> {
    /// What one side of an identity makes of every peer, for some traffic.
    fn row(&self, of: &SubjectState, managed: bool, direction: Direction, traffic: Traffic) -> PeerRow {
        let size = self.identities.len();
        let side = of.side(direction);
        if managed && (of.ingress.conflict.is_some() || of.egress.conflict.is_some()) {
            return PeerRow { allowed: IdentitySet::none(size), unknown: IdentitySet::all(size) };
        }
        if !managed || !side.enforced {
            return PeerRow { allowed: IdentitySet::all(size), unknown: IdentitySet::none(size) };
        }
        if side.tiers == Tiers::Several {
            return self.row_in_order(of, direction, traffic);
        }
        let mut allowed = if side.isolated { IdentitySet::none(size) } else { IdentitySet::all(size) };
        let mut denied = IdentitySet::none(size);
        let mut unknown = IdentitySet::none(size);
        for &index in &side.entries {
            let Some(matching) = self.matching(of, direction, index, traffic) else { continue };
            let entry = self.model.entry(index);
            match (entry.gap, entry.effect) {
                (Some(_), _) => unknown.add(&matching),
                (None, Effect::Allow) => allowed.add(&matching),
                (None, Effect::Deny) => denied.add(&matching),
                // Rules that pass on make a side one of several tiers.
                (None, Effect::Pass) => {}
            }
        }
        if direction == Direction::Ingress && self.model.passes_local_host(side) {
            let hosts = self.find(Identity::is_local_host);
            allowed.add(&hosts);
        }
        unknown.remove(&denied);
        allowed.remove(&denied);
        allowed.remove(&unknown);
        PeerRow { allowed, unknown }
    }

    /// The peers for which an entry matches some traffic; none if it never does.
    fn matching(
        &self,
        of: &SubjectState,
        direction: Direction,
        index: (usize, usize),
        traffic: Traffic,
    ) -> Option<IdentitySet> {
        let size = self.identities.len();
        let (side, entry) = (of.side(direction), self.model.entry(index));
        let covers = |destination: &Identity| {
            entry.ports.matching(traffic, destination, self.model, direction).next().is_some()
        };
        let by_destination = direction == Direction::Egress && entry.ports.name_ports();
        if !by_destination && !covers(&of.identity) {
            return None;
        }
        let mut matching = match &self.peers[index.0][index.1] {
            _ if matches!(entry.gap, Some(Gap::Peers(_))) => IdentitySet::all(size),
            _ if side.requires => self.find(|peer| self.model.is_about(side, entry, peer)),
            Some(bits) => bits.clone(),
            None => IdentitySet::all(size),
        };
        if by_destination {
            matching.remove(&self.find(|peer| !covers(peer)));
        }
        Some(matching)
    }

    /// The identities that pass a test.
    fn find(&self, test: impl Fn(&Identity) -> bool) -> IdentitySet {
        let mut bits = IdentitySet::none(self.identities.len());
        for (index, (subject, _)) in self.identities.iter().enumerate() {
            if test(&subject.identity) {
                bits.insert(index);
            }
        }
        bits
    }
}
