//! The started scenarios: those that run, and those that wait with their pods created.

use std::collections::{BTreeMap, BTreeSet};

/// How many scenarios may wait with their pods created. Each change of a clusterwide policy is one for their pods too.
pub(super) const AHEAD: usize = 2;

/// The started scenarios, each with its set of names.
#[derive(Clone, Debug, Default)]
pub(super) struct BegunScenarios {
    /// Those that have all resources that they need.
    pub(super) in_force: BTreeMap<usize, usize>,
    /// Those that only have their pods.
    pub(super) ahead: BTreeMap<usize, usize>,
}

/// How a scenario can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StartKind {
    /// With all resources.
    InForce,
    /// With its pods only.
    Ahead,
}

/// What two scenarios, each with a set of names, share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlap {
    /// Nothing.
    None,
    /// A policy of one may affect the other.
    Policies,
    /// A resource that only one of them can have at a time; their pods can exist at the same time.
    Claim,
    /// A resource that their pods need.
    Pods,
}

impl BegunScenarios {
    /// Removes those that have ended.
    pub(super) fn keep(&mut self, under_way: &BTreeSet<usize>) {
        self.in_force.retain(|index, _| under_way.contains(index));
        self.ahead.retain(|index, _| under_way.contains(index));
    }

    /// Lets waiting scenarios go on, in their order, if the resources that they need are free. Returns whether one goes on.
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

    /// The first scenario that can run beside the others, or may wait with its pods created, with the first set of names
    /// that allows it. Scenarios that wait for a claimed resource get their turn; those that wait until policies of others
    /// are gone may wait long, and only start if nothing else can.
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
                // Those that can run come before those that have to wait.
                each.min_by_key(|(.., start)| *start)
            })
        };
        first(false).or_else(|| first(true))
    }
}
