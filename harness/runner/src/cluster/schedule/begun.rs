//! The scenarios under way: those that have all they need, and those that wait with their pods made.

use std::collections::{BTreeMap, BTreeSet};

/// How many scenarios may wait with their pods made for others that have what they need.
pub(super) const AHEAD: usize = 2;

/// The scenarios that have begun, each with its set of names.
#[derive(Clone, Debug, Default)]
pub(super) struct BegunScenarios {
    /// Those that have all they need.
    pub(super) in_force: BTreeMap<usize, usize>,
    /// Those whose pods alone are made.
    pub(super) ahead: BTreeMap<usize, usize>,
}

/// How a scenario can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StartKind {
    /// With all it needs.
    InForce,
    /// With its pods alone.
    Ahead,
}

/// What two scenarios, each with a set of names, have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlap {
    /// Nothing.
    None,
    /// A policy of one may concern the other.
    Policies,
    /// Something that one of them has at a time; their pods can be there at once.
    Claim,
    /// Their pods cannot.
    Pods,
}

impl BegunScenarios {
    /// Forgets those that are over.
    pub(super) fn keep(&mut self, under_way: &BTreeSet<usize>) {
        self.in_force.retain(|index, _| under_way.contains(index));
        self.ahead.retain(|index, _| under_way.contains(index));
    }

    /// Gives those that wait what they need, in their order, where nobody else has it. Returns whether one got it.
    pub(super) fn let_in(
        &mut self,
        order: &[usize],
        overlap: impl Fn((usize, usize), (usize, usize)) -> Overlap,
    ) -> bool {
        let mut any = false;
        for index in order {
            let Some(set) = self.ahead.get(index).copied() else { continue };
            let mut in_force = self.in_force.iter();
            if in_force.all(|(other, its)| overlap((*index, set), (*other, *its)) == Overlap::None) {
                self.ahead.remove(index);
                self.in_force.insert(*index, set);
                any = true;
            }
        }
        any
    }

    /// The first scenario that has nothing in common with those in force, or may wait for what it needs, with the first set
    /// of names with which it does. Those that wait for what another one has for itself come in their turn; those that
    /// wait for others' policies to be gone may wait long, and only where nothing else can begin.
    pub(super) fn first_that_fits(
        &self,
        order: &[usize],
        sets: impl Fn(usize) -> usize,
        overlap: impl Fn((usize, usize), (usize, usize)) -> Overlap,
    ) -> Option<(usize, usize, StartKind)> {
        let begin = |index: usize, set: usize, patient: bool| {
            let with = |(other, its): (&usize, &usize)| overlap((index, set), (*other, *its));
            let in_force: Vec<Overlap> = self.in_force.iter().map(with).collect();
            let beside = self.ahead.iter().map(with).chain(in_force.iter().copied());
            let has = |kind: Overlap| in_force.contains(&kind);
            if beside.clone().any(|overlap| overlap == Overlap::Pods) {
                None
            } else if in_force.iter().all(|overlap| *overlap == Overlap::None) {
                Some(StartKind::InForce)
            } else {
                let may_wait = self.ahead.len() < AHEAD && (has(Overlap::Claim) || patient);
                may_wait.then_some(StartKind::Ahead)
            }
        };
        let first = |patient: bool| {
            order.iter().find_map(|index| {
                let each =
                    (0..sets(*index)).filter_map(|set| Some((*index, set, begin(*index, set, patient)?)));
                // Those that need not wait come first.
                each.min_by_key(|(.., start)| *start)
            })
        };
        first(false).or_else(|| first(true))
    }
}
