//! Which scenario begins next on a cluster, and which names its namespaces have there.
//!
//! Those of a scenario that depends on their names are always called so; others get other names where that lets them run
//! beside more. Scenarios that have to wait for one another go first, those of the longest chain before others: what is
//! left for the end runs side by side. The pods of a few that wait are made meanwhile.

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

/// What a step takes where nothing changes but policies, and what each pod adds to the first.
const STEP: Duration = Duration::from_millis(1200);
const POD: Duration = Duration::from_millis(600);
/// What an agent takes in the mean to give pods another identity when labels of their namespace change: 5 s, and up to 30 s
/// for each of them that it waits of its own will.
/// <https://github.com/cilium/cilium/blob/main/pkg/endpointmanager/namespace_updater.go> (`ciliumIdentityMaxJitter`)
const NAMESPACE_LABELS: Duration = Duration::from_secs(20);

/// The scenarios of a run on a cluster, by their indices.
pub(super) struct ClusterSchedule<'a> {
    candidates: Vec<Candidate<'a>>,
    /// The first to begin first.
    order: Vec<usize>,
    /// Those that have begun.
    begun: RefCell<BegunScenarios>,
    /// Told when one of them need not wait any more.
    let_in: Notify,
}

/// What a schedule needs to know of a run.
pub(super) struct ScheduleOptions<'a> {
    /// Whether a scenario is run at all.
    pub(super) is_run: &'a dyn Fn(&Scenario) -> bool,
    /// How many sets of names there are.
    pub(super) sets: usize,
    /// Where hosts outside may be.
    pub(super) outside: &'a [IpNet],
    /// The namespaces that are somebody else's.
    pub(super) borrowed: &'a BTreeSet<NamespaceName>,
    /// The Cilium of the cluster.
    pub(super) version: CiliumVersion,
}

/// A scenario, and what it needs with each set of names that it may have; none if it is not run.
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

    /// What it needs with whichever names.
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

    /// The next of the waiting scenarios, in the order of their indices, beside those under way; none if it has to wait.
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

    /// Whether the pods of a scenario are to be made before its turn comes.
    pub(super) fn is_ahead(&self, index: usize) -> bool {
        self.begun.borrow().ahead.contains_key(&index)
    }

    /// Waits until a scenario that has begun may have all it needs.
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

    /// The names that the namespaces of a scenario under way have; none if it is not run.
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

/// The scenarios in the order in which they should begin: those first that share something of which all the scenarios that
/// need it need the longest time.
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

/// How long a scenario may take; it matters only beside others.
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

/// Whether a namespace that stays has other labels.
fn changes_labels(before: &Topology, after: &Topology) -> bool {
    let mut stay =
        before.namespaces.iter().filter_map(|(name, labels)| Some((labels, after.namespaces.get(name)?)));
    stay.any(|(before, after)| before != after)
}
