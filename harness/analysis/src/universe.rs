//! All ends of traffic of one or two situations, in groups that no policy distinguishes, and what happens to traffic
//! between any two groups.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_engine::identity::Identity;
use verdikt_engine::model::PolicyModel;
use verdikt_engine::model_endpoint::{EntryIndex, ModelEndpoint};
use verdikt_engine::rule::{Direction, PortMatcher};
use verdikt_scenario::topology::Endpoint;

use crate::access::{AccessProfile, SideAccess};
use crate::bits::Bits;
use crate::cells::{Cells, Profiles, Sides};
use crate::end::{Blocks, TrafficEnd, model_endpoint_of, outside};
use crate::intern::Interner;
use crate::partition::Partition;
use crate::peers::PeerSets;
use crate::sides::{PeerClass, PeerIndex, matchers, numbers};

/// Ends that no policy distinguishes, in any of the situations.
#[derive(Clone, Debug)]
pub struct EndGroup {
    /// The ends, in order.
    pub ends: Vec<TrafficEnd>,
    /// One of them in each situation; none if the situation does not have them.
    pub model_endpoints: Vec<Option<ModelEndpoint>>,
}

/// The ends of some situations, in groups.
#[derive(Debug)]
pub struct Universe<'u, 'm> {
    pub(crate) models: Vec<&'u PolicyModel<'m>>,
    groups: Vec<EndGroup>,
    group_of: BTreeMap<TrafficEnd, usize>,
}

/// The ends of a situation, one for each unit: ends of one identity are one unit.
struct Units {
    model_endpoints: Vec<Vec<Option<ModelEndpoint>>>,
    ends: Vec<Vec<TrafficEnd>>,
}

impl<'u, 'm> Universe<'u, 'm> {
    /// The ends of some situations: their endpoints, what their policies name outside the cluster, and `more`.
    pub fn new(models: &[&'u PolicyModel<'m>], more: impl IntoIterator<Item = TrafficEnd>) -> Self {
        let mut ends: BTreeSet<TrafficEnd> = outside(models).into_iter().chain(more).collect();
        for model in models {
            ends.extend(model.model_endpoints().map(|(endpoint, _)| TrafficEnd::Endpoint(endpoint.clone())));
        }
        let units = Units::new(models, ends);
        let mut partition = units.by_policy(models);
        for (number, model) in models.iter().enumerate() {
            units.refine(&mut partition, model, number);
        }
        let mut groups: Vec<EndGroup> = partition
            .classes()
            .into_iter()
            .map(|members| {
                let mut ends: Vec<TrafficEnd> =
                    members.iter().flat_map(|unit| units.ends[*unit].iter().cloned()).collect();
                ends.sort();
                let model_endpoints =
                    units.model_endpoints.iter().map(|of_model| of_model[members[0]].clone()).collect();
                EndGroup { ends, model_endpoints }
            })
            .collect();
        groups.sort_by(|a, b| a.ends.cmp(&b.ends));
        let group_of = groups.iter().enumerate();
        let group_of =
            group_of.flat_map(|(number, group)| group.ends.iter().map(move |end| (end.clone(), number)));
        let group_of = group_of.collect();
        Self { models: models.to_vec(), groups, group_of }
    }

    /// The groups, by the first of their ends.
    pub fn groups(&self) -> &[EndGroup] {
        &self.groups
    }

    /// The group of an end.
    pub fn group_of(&self, end: &TrafficEnd) -> Option<usize> {
        self.group_of.get(end).copied()
    }

    /// What happens to traffic between all groups, in each situation.
    pub fn cells(&self) -> Cells {
        let mut profiles = Profiles::default();
        let all: Vec<Sides> = (0..self.models.len()).map(|model| self.sides(model, &mut profiles)).collect();
        Cells::new(self.groups.len(), all, profiles)
    }

    fn sides(&self, number: usize, profiles: &mut Profiles) -> Sides {
        let model = self.models[number];
        let identities: Vec<Option<&Identity>> = self
            .groups
            .iter()
            .map(|group| group.model_endpoints[number].as_ref().map(ModelEndpoint::identity))
            .collect();
        let (sets, set_of) = entry_sets(model, &mut PeerSets::new(identities.clone()));
        let peers = PeerIndex { model, identities, set_of, sets };
        let mut sides = Sides { class_of: [Vec::new(), Vec::new()], parts: [Vec::new(), Vec::new()] };
        for (index, direction) in [Direction::Egress, Direction::Ingress].into_iter().enumerate() {
            let mut classes: BTreeMap<_, usize> = BTreeMap::new();
            for group in &self.groups {
                let model_endpoint = group.model_endpoints[number].as_ref();
                let key =
                    model_endpoint.map(|model_endpoint| PolicyKey::of(model, model_endpoint, direction));
                let class = *classes.entry(key).or_insert_with(|| {
                    let parts = model_endpoint
                        .map(|model_endpoint| peers.parts(model_endpoint, direction, &mut profiles.sides));
                    sides.parts[index].push(parts.unwrap_or_else(|| {
                        let profile = profiles.sides.number(AccessProfile::uniform(&SideAccess::Absent));
                        vec![PeerClass { peers: Bits::all(self.groups.len()), profile }]
                    }));
                    sides.parts[index].len() - 1
                });
                sides.class_of[index].push(class);
            }
        }
        sides
    }
}

/// A summary of the policy of an endpoint in a direction.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct PolicyKey<'p> {
    /// Whether it is managed, enforced, isolated, and in conflict.
    flags: [bool; 4],
    entries: &'p [EntryIndex],
    /// The numbers of its own port names in its ingress rules.
    numbers: Vec<Option<(u16, u16)>>,
}

impl<'p> PolicyKey<'p> {
    fn of(model: &PolicyModel<'_>, model_endpoint: &'p ModelEndpoint, direction: Direction) -> Self {
        let entries = model_endpoint.entries(direction);
        let names: Vec<&PortMatcher> = match direction {
            Direction::Egress => Vec::new(),
            Direction::Ingress => entries
                .iter()
                .flat_map(|index| matchers(model.entry_at(*index)))
                .filter(|matcher| matches!(matcher, PortMatcher::Name { .. }))
                .collect(),
        };
        Self {
            flags: [
                model_endpoint.is_managed(),
                model_endpoint.is_enforced(direction),
                model_endpoint.is_isolated(direction),
                model_endpoint.has_conflict(),
            ],
            entries,
            numbers: numbers(model, &names, model_endpoint.identity(), Direction::Ingress),
        }
    }
}

impl Units {
    fn new(models: &[&PolicyModel<'_>], ends: BTreeSet<TrafficEnd>) -> Self {
        let blocks = Blocks::among(&ends);
        let mut known: BTreeMap<Vec<Option<usize>>, usize> = BTreeMap::new();
        let mut units = Self { model_endpoints: vec![Vec::new(); models.len()], ends: Vec::new() };
        for end in ends {
            let model_endpoints: Vec<Option<ModelEndpoint>> =
                models.iter().map(|model| model_endpoint_of(model, &end, &blocks)).collect();
            if model_endpoints.iter().all(Option::is_none) {
                continue;
            }
            let key = model_endpoints
                .iter()
                .map(|model_endpoint| model_endpoint.as_ref().map(ModelEndpoint::key))
                .collect();
            let unit = *known.entry(key).or_insert_with(|| {
                for (of_model, model_endpoint) in units.model_endpoints.iter_mut().zip(&model_endpoints) {
                    of_model.push(model_endpoint.clone());
                }
                units.ends.push(Vec::new());
                units.ends.len() - 1
            });
            units.ends[unit].push(end);
        }
        units
    }

    /// Units with the same policies, in all situations, are one class.
    fn by_policy(&self, models: &[&PolicyModel<'_>]) -> Partition {
        // Traffic between nodes and the outside has no policy at either end, so they are kept apart.
        let kind = |unit: usize| self.ends[unit].first().map(kind_of);
        Partition::by_key(self.ends.len(), |unit| {
            let policies = self.model_endpoints.iter().zip(models).map(|(model_endpoints, model)| {
                model_endpoints[unit].as_ref().map(|model_endpoint| {
                    [Direction::Egress, Direction::Ingress]
                        .map(|direction| PolicyKey::of(model, model_endpoint, direction))
                })
            });
            (kind(unit), policies.collect::<Vec<_>>())
        })
    }

    /// Separates what the entries of a model distinguish.
    fn refine(&self, partition: &mut Partition, model: &PolicyModel<'_>, number: usize) {
        let identities: Vec<Option<&Identity>> = self.model_endpoints[number]
            .iter()
            .map(|model_endpoint| model_endpoint.as_ref().map(ModelEndpoint::identity))
            .collect();
        let (sets, _) = entry_sets(model, &mut PeerSets::new(identities.clone()));
        for set in &sets {
            partition.refine(set);
        }
        let is_host = |unit: usize| identities[unit].is_some_and(Identity::is_local_host);
        partition.refine(&Bits::of(identities.len(), is_host));
        self.refine_by_requirements(partition, model, number);
        let names: Vec<&PortMatcher> = model
            .rules()
            .iter()
            .flat_map(|rule| &rule.entries)
            .filter(|entry| entry.direction == Direction::Egress)
            .flat_map(matchers)
            .filter(|matcher| matches!(matcher, PortMatcher::Name { .. }))
            .collect();
        refine_by_names(partition, model, &names, &identities);
    }

    /// Separates what requirements on the peers of all entries (`fromRequires`) distinguish.
    fn refine_by_requirements(&self, partition: &mut Partition, model: &PolicyModel<'_>, number: usize) {
        let model_endpoints = &self.model_endpoints[number];
        let mut seen = BTreeSet::new();
        for model_endpoint in model_endpoints.iter().flatten() {
            for direction in [Direction::Egress, Direction::Ingress] {
                if !model_endpoint.has_requirements(direction)
                    || !seen.insert(model_endpoint.entries(direction))
                {
                    continue;
                }
                for index in model_endpoint.entries(direction) {
                    let entry = model.entry_at(*index);
                    let concerned = |unit: usize| {
                        model_endpoints[unit].as_ref().is_some_and(|peer| {
                            model.concerns(model_endpoint, direction, entry, peer.identity())
                        })
                    };
                    partition.refine(&Bits::of(model_endpoints.len(), concerned));
                }
            }
        }
    }
}

/// Separates identities whose port names mean different numbers in egress rules.
fn refine_by_names(
    partition: &mut Partition,
    model: &PolicyModel<'_>,
    names: &[&PortMatcher],
    identities: &[Option<&Identity>],
) {
    // If the whole cluster has one table of port names, they distinguish no destinations.
    if names.is_empty() || !model.resolves_names_per_destination() {
        return;
    }
    let mut distinct: Vec<&PortMatcher> = Vec::new();
    for name in names {
        if !distinct.contains(name) {
            distinct.push(name);
        }
    }
    let mut by_numbers: BTreeMap<_, Bits> = BTreeMap::new();
    for (unit, identity) in identities.iter().enumerate() {
        let key = identity.map(|identity| numbers(model, &distinct, identity, Direction::Egress));
        by_numbers.entry(key).or_insert_with(|| Bits::none(identities.len())).insert(unit);
    }
    for set in by_numbers.values() {
        partition.refine(set);
    }
}

/// The peers of each entry of a model, as the number of one of the sets.
fn entry_sets(model: &PolicyModel<'_>, peers: &mut PeerSets<'_>) -> (Vec<Bits>, Vec<Vec<u32>>) {
    let mut sets: Interner<Bits> = Interner::default();
    let set_of = model.rules().iter().map(|rule| {
        rule.entries.iter().map(|entry| sets.number(peers.among(&entry.peers))).collect::<Vec<u32>>()
    });
    let set_of = set_of.collect();
    (sets.into_values(), set_of)
}

/// The kind of an end: ends that no policy distinguishes may still differ by where they are.
fn kind_of(end: &TrafficEnd) -> u8 {
    match end {
        TrafficEnd::Endpoint(Endpoint::Pod(_)) | TrafficEnd::Future(..) => 0,
        TrafficEnd::Endpoint(Endpoint::World(_)) => 1,
        TrafficEnd::Endpoint(Endpoint::Node(_)) => 2,
        TrafficEnd::Endpoint(Endpoint::Cilium(_)) => 3,
        TrafficEnd::Block(_) => 4,
        TrafficEnd::Name(_) => 5,
    }
}
