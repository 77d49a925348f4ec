//! Decides which scenario starts next on a cluster, and which names its namespaces get.
//!
//! Namespaces are renamed if that lets more scenarios run at the same time, and if the scenario does not depend on their
//! names. Scenarios that have to wait for one another start first, the longest chain before others, so that those left
//! for the end can run at the same time. The pods of a few waiting scenarios are created in advance.

mod begun;
#[cfg(test)]
mod tests;

use std::cell::{OnceCell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::Notify;
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::topology::Topology;
use verdikt_scenario::version::CiliumVersion;

use self::begun::{BegunScenarios, Overlap, StartKind};
use super::renaming::Renaming;
use super::resources::{Claim, Resources};

/// The expected time of a step that only changes policies, and the additional time of each pod in the first step.
const STEP: Duration = Duration::from_millis(1200);
const POD: Duration = Duration::from_millis(600);
/// The mean time that an agent takes to give pods new identities when labels of their namespace change: 5 s, and a random
/// delay of up to 30 s.
/// <https://github.com/cilium/cilium/blob/main/pkg/endpointmanager/namespace_updater.go> (`ciliumIdentityMaxJitter`)
const NAMESPACE_LABELS: Duration = Duration::from_secs(20);

/// The scenarios of a run on a cluster, by their indices.
pub(super) struct ClusterSchedule<'a> {
    candidates: Vec<Candidate<'a>>,
    /// The order in which they start.
    order: Vec<usize>,
    /// Those that have begun.
    begun: RefCell<BegunScenarios>,
    /// Notified when one of them may go on.
    let_in: Notify,
}

/// What a schedule needs to know about a run.
pub(super) struct ScheduleOptions<'a> {
    /// Whether a scenario is run at all.
    pub(super) is_run: &'a dyn Fn(&Scenario) -> bool,
    /// How many sets of names there are.
    pub(super) sets: usize,
    /// The ranges of addresses for hosts outside.
    pub(super) outside: &'a [IpNet],
    /// The borrowed namespaces.
    pub(super) borrowed: &'a BTreeSet<NamespaceName>,
    /// The version of Cilium on the cluster.
    pub(super) version: CiliumVersion,
}

/// A scenario, and the resources that it needs with each possible set of names; none if it is skipped.
struct Candidate<'a> {
    scenario: &'a Scenario,
    version: CiliumVersion,
    sets: Vec<(Renaming, OnceCell<Resources>)>,
}

impl<'a> Candidate<'a> {
    fn new(scenario: &'a Scenario, options: &ScheduleOptions<'_>) -> Self {
        let mut namespaces = scenario.steps.iter().flat_map(|step| step.topology.namespaces.keys());
        let sets = match (options.is_run)(scenario) {
            false => 0,
            true if namespaces.any(|name| options.borrowed.contains(name)) => 1,
            true => options.sets.max(1),
        };
        let sets = (0..sets).map_while(|set| Renaming::new(scenario, set, options.outside));
        let sets = sets.map(|renaming| (renaming, OnceCell::new())).collect();
        Self { scenario, version: options.version, sets }
    }

    fn resources(&self, set: usize) -> Option<&Resources> {
        let (renaming, resources) = self.sets.get(set)?;
        Some(resources.get_or_init(|| Resources::of(&renaming.scenario(self.scenario), self.version)))
    }

    /// What it needs with any set of names.
    fn claims(&self) -> BTreeSet<Claim<'_>> {
        let claims =
            |set| self.resources(set).into_iter().flat_map(Resources::claims).collect::<BTreeSet<_>>();
        let others = claims(self.sets.len().saturating_sub(1));
        claims(0).into_iter().filter(|claim| others.contains(claim)).collect()
    }
}

impl<'a> ClusterSchedule<'a> {
    pub(super) fn new(scenarios: &'a [Scenario], options: &ScheduleOptions<'_>) -> Self {
        let candidates: Vec<_> = scenarios.iter().map(|it| Candidate::new(it, options)).collect();
        let (begun, let_in) = (RefCell::default(), Notify::new());
        let mut schedule = Self { candidates, order: Vec::new(), begun, let_in };
        let times: Vec<Duration> = scenarios.iter().map(expected_time).collect();
        let claims: Vec<_> = schedule.candidates.iter().map(Candidate::claims).collect();
        let order = longest_chain_first(&times, &claims);
        schedule.order = order;
        schedule
    }

    /// The next of the waiting scenarios that can run beside those under way; none if all have to wait.
    pub(super) fn next(&self, waiting: &[usize], under_way: &BTreeSet<usize>) -> Option<usize> {
        let mut begun = self.begun.borrow_mut();
        begun.keep(under_way);
        let overlap = |one, other| self.overlap(one, other);
        if begun.let_in(&self.order, overlap) {
            self.let_in.notify_waiters();
        }
        let waits = |index: &&usize| waiting.binary_search(index).is_ok();
        let sets = |index: usize| self.candidates[index].sets.len().max(1);
        let order: Vec<usize> = self.order.iter().filter(waits).copied().collect();
        let (index, set, start) = begun.first_that_fits(&order, sets, overlap)?;
        match start {
            StartKind::InForce => begun.in_force.insert(index, set),
            StartKind::Ahead => begun.ahead.insert(index, set),
        };
        Some(index)
    }

    /// Whether the pods of a scenario are created before its turn.
    pub(super) fn is_ahead(&self, index: usize) -> bool {
        self.begun.borrow().ahead.contains_key(&index)
    }

    /// Waits until a started scenario may use all resources that it needs.
    pub(super) async fn turn(&self, index: usize) {
        loop {
            let let_in = self.let_in.notified();
            tokio::pin!(let_in);
            let_in.as_mut().enable();
            if !self.is_ahead(index) {
                return;
            }
            let_in.await;
        }
    }

    /// The names of the namespaces of a running scenario; none if it is skipped.
    pub(super) fn renaming(&self, index: usize) -> Option<Renaming> {
        let begun = self.begun.borrow();
        let set = *begun.in_force.get(&index).or_else(|| begun.ahead.get(&index))?;
        self.candidates[index].sets.get(set).map(|(renaming, _)| renaming.clone())
    }

    fn overlap(&self, one: (usize, usize), other: (usize, usize)) -> Overlap {
        let resources = |(index, set): (usize, usize)| self.candidates[index].resources(set);
        let Some((one, other)) = resources(one).zip(resources(other)) else { return Overlap::None };
        match one.conflicts_with(other) {
            false => Overlap::None,
            true if !one.can_wait_beside(other) => Overlap::Pods,
            true if one.shares_a_claim_with(other) => Overlap::Claim,
            true => Overlap::Policies,
        }
    }
}

/// The order in which scenarios should start: first those that claim the resource whose scenarios take the longest time
/// together.
fn longest_chain_first<C: Ord>(times: &[Duration], claims: &[BTreeSet<C>]) -> Vec<usize> {
    let mut chains: BTreeMap<&C, Duration> = BTreeMap::new();
    for (time, claims) in times.iter().zip(claims) {
        for claim in claims {
            *chains.entry(claim).or_default() += *time;
        }
    }
    let chain = |index: usize| {
        let shared = claims[index].iter().map(|claim| chains[claim]);
        shared.max().unwrap_or(times[index])
    };
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_cached_key(|index| Reverse((chain(*index), times[*index])));
    order
}

/// How long a scenario is expected to take, for comparison with others.
fn expected_time(scenario: &Scenario) -> Duration {
    let mut time = Duration::ZERO;
    let mut before: Option<&Topology> = None;
    for Step { topology, .. } in &scenario.steps {
        let pods = topology.pods.keys().filter(|pod| before.is_none_or(|it| !it.pods.contains_key(*pod)));
        let pods = u32::try_from(pods.count()).unwrap_or(u32::MAX);
        time += STEP + POD.saturating_mul(pods);
        if before.is_some_and(|before| changes_labels(before, topology)) {
            time += NAMESPACE_LABELS;
        }
        before = Some(topology);
    }
    time
}

/// Whether the labels of an existing namespace change.
fn changes_labels(before: &Topology, after: &Topology) -> bool {
    let mut stay =
        before.namespaces.iter().filter_map(|(name, labels)| Some((labels, after.namespaces.get(name)?)));
    stay.any(|(before, after)| before != after)
}
