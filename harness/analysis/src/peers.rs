//! Finds which of many identities selectors and peers match, all at once: a requirement is compared with each value
//! of its key, not with each identity.

use std::collections::BTreeMap;

use verdikt_engine::identity::Identity;
use verdikt_engine::label::LabelSource;
use verdikt_engine::rule::{Peer, PeerMatcher, Peers};
use verdikt_engine::selector::{Operator, Requirement, Selector};

use crate::bits::Bits;

/// Identities by what selectors can require of them. Indexes without an identity are in no set.
pub(crate) struct PeerSets<'i> {
    identities: Vec<Option<&'i Identity>>,
    /// Those with an address.
    addressed: Vec<usize>,
    present: Bits,
    columns: BTreeMap<(Option<LabelSource>, String), Column<'i>>,
    entities: BTreeMap<&'static str, Bits>,
}

/// Identities by the value of a key.
struct Column<'i> {
    values: BTreeMap<&'i str, Bits>,
    any: Bits,
}

impl<'i> PeerSets<'i> {
    pub(crate) fn new(identities: Vec<Option<&'i Identity>>) -> Self {
        let size = identities.len();
        let addressed = (0..size).filter(|index| identities[*index].is_some_and(|it| it.address.is_some()));
        let present = Bits::of(size, |index| identities[index].is_some());
        let addressed = addressed.collect();
        Self { identities, addressed, present, columns: BTreeMap::new(), entities: BTreeMap::new() }
    }

    /// The identities that match one of some peers.
    pub(crate) fn among(&mut self, peers: &Peers) -> Bits {
        match peers {
            Peers::Any => self.present.clone(),
            Peers::OneOf(peers) => {
                let mut all = Bits::none(self.identities.len());
                for peer in peers {
                    all.add(&self.matching(peer));
                }
                all
            }
        }
    }

    fn matching(&mut self, peer: &Peer) -> Bits {
        match &peer.matcher {
            PeerMatcher::Selector(selector) => self.selected(selector),
            PeerMatcher::Entity(entity) => {
                let identities = &self.identities;
                let test = |index: usize| identities[index].is_some_and(|identity| entity.contains(identity));
                let found = || Bits::of(identities.len(), test);
                self.entities.entry(entity.word()).or_insert_with(found).clone()
            }
            // Only an identity with an address has prefixes and names.
            PeerMatcher::Cidr { .. } | PeerMatcher::Name(_) => {
                let mut bits = Bits::none(self.identities.len());
                let matching = self.addressed.iter().filter(|index| self.matches(**index, peer));
                matching.for_each(|index| bits.insert(*index));
                bits
            }
            PeerMatcher::CidrGroups { .. } => {
                Bits::of(self.identities.len(), |index| self.matches(index, peer))
            }
        }
    }

    fn matches(&self, index: usize, peer: &Peer) -> bool {
        self.identities[index].is_some_and(|identity| peer.matches(identity))
    }

    /// The identities that a selector selects.
    pub(crate) fn selected(&mut self, selector: &Selector) -> Bits {
        let mut all = self.present.clone();
        for requirement in &selector.requirements {
            if matches!(requirement.source, Some(LabelSource::Cidr | LabelSource::CidrGroup)) {
                let holds =
                    |index: usize| self.identities[index].is_some_and(|identity| requirement.holds(identity));
                all.retain(&Bits::of(self.identities.len(), holds));
            } else {
                self.narrow(&mut all, requirement);
            }
        }
        all
    }

    /// Removes from a set the identities for which a requirement on a label does not hold.
    fn narrow(&mut self, all: &mut Bits, requirement: &Requirement) {
        let size = self.identities.len();
        let column = self.column(requirement);
        let (Operator::In(values) | Operator::NotIn(values)) = &requirement.operator else {
            match &requirement.operator {
                Operator::DoesNotExist => all.remove(&column.any),
                _ => all.retain(&column.any),
            }
            return;
        };
        let mut among = Bits::none(size);
        values.iter().filter_map(|value| column.values.get(value.as_str())).for_each(|of| among.add(of));
        match &requirement.operator {
            Operator::NotIn(_) => all.remove(&among),
            _ => all.retain(&among),
        }
    }

    fn column(&mut self, requirement: &Requirement) -> &Column<'i> {
        let Self { identities, columns, .. } = self;
        columns.entry((requirement.source, requirement.key.to_string())).or_insert_with(|| {
            let size = identities.len();
            let mut column = Column { values: BTreeMap::new(), any: Bits::none(size) };
            for (index, identity) in identities.iter().enumerate() {
                // If several labels have the key, selectors use the first.
                let of_key = |label: &&verdikt_engine::label::Label| {
                    label.key == requirement.key
                        && requirement.source.is_none_or(|source| label.source == source)
                };
                let Some(label) = identity.and_then(|identity| identity.labels.iter().find(of_key)) else {
                    continue;
                };
                column.any.insert(index);
                column.values.entry(&label.value).or_insert_with(|| Bits::none(size)).insert(index);
            }
            column
        })
    }
}
