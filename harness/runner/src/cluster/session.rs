//! A run on a cluster: takes the lease that keeps other runs off, runs the scenarios at the same time, and cleans up.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::LocalBoxFuture;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use verdikt_cluster::agent_polls::AgentPolls;
use verdikt_cluster::borrow::{self, Borrowed};
use verdikt_cluster::clean::{CleanScope, clean};
use verdikt_cluster::cluster::{ClusterOptions, NameServer};
use verdikt_cluster::connect::ApiConnection;
use verdikt_cluster::error::ApiError;
use verdikt_cluster::image::ProbeImage;
use verdikt_cluster::inspect::Facts;
use verdikt_cluster::lease::{Lease, LeaseError};
use verdikt_cluster::mark::{RunId, RunIdError};
use verdikt_cluster::namespaces::NamespaceError;
use verdikt_cluster::others::others;
use verdikt_cluster::wait::WaitProgress;
use verdikt_cluster::world::World;
use verdikt_cluster::{limits, namespaces};
use verdikt_hubble::flow_source::FlowSourceChoice;
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::run_result::RunResult;

use super::access::{AccessError, look_at_borrowed, require_clusterwide, require_redirects};
use super::clusterwide::redirects;
use super::flows::shared::SharedFlows;
use super::notice::Notice;
use super::renaming::RenamedBackend;
use super::schedule::{ClusterSchedule, ScheduleOptions};
use super::{
    ClusterBackend, ClusterRunOptions, Clusterwide, FlowsError, PodsAhead, asks_for_names, choose_flows,
    has_clusterwide_policies, reach, unfit,
};
use crate::backend::reason;
use crate::plan::{RunOptions, Sink};
use crate::run::{BackendChoice, Stop, run_on};

/// The timeout for the pods of a scenario to be ready.
const PODS: Duration = Duration::from_mins(2);
/// The timeout for cleaning up at the end: longer than an API server takes to restart.
const SHUTDOWN: Duration = Duration::from_secs(30);
/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// The timeout for releasing the lease, which expires anyway.
const RELEASE: Duration = Duration::from_secs(5);

/// How a run uses a cluster.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// The image of the probes.
    pub image: ProbeImage,
    /// Where probes for hosts outside the cluster run.
    pub world: Option<World>,
    /// The borrowed namespaces.
    pub borrowed: BTreeSet<NamespaceName>,
    /// Whether scenarios with clusterwide policies run.
    pub clusterwide: Clusterwide,
    /// Whether the created objects stay.
    pub keep: bool,
    /// The folder for evidence about failures.
    pub evidence: Option<PathBuf>,
    /// Receives notices that are not events of the run.
    pub tell: fn(&Notice),
}

/// Why a session cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The cluster cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Its flows cannot be read.
    #[error(transparent)]
    Flows(#[from] FlowsError),
    /// The run cannot be named.
    #[error(transparent)]
    RunId(#[from] RunIdError),
    /// The namespace of verdikt's own objects cannot be used.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// Another run uses the cluster, or the lease cannot be read.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// It was asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl From<ApiError> for SessionError {
    fn from(error: ApiError) -> Self {
        Self::Access(error.into())
    }
}

/// Makes what is ready once somebody asks the run to end.
pub type StopSource<'a> = &'a dyn Fn() -> Stop<'a>;

/// A cluster that can be used.
pub struct ClusterSession {
    connection: ApiConnection,
    facts: Facts,
    flows: FlowSourceChoice,
    run: RunId,
    borrowed: Borrowed,
    names: NameServer,
    polls: AgentPolls,
    settings: SessionSettings,
}

impl ClusterSession {
    /// Prepares to use a cluster that [`look`](super::access::look) found. Creates nothing there.
    ///
    /// This future and that of [`Self::run`] are boxed: so runs on clusters are compiled here, and not in every program
    /// that makes them.
    pub fn open(
        connection: ApiConnection,
        facts: Facts,
        settings: SessionSettings,
    ) -> LocalBoxFuture<'static, Result<Self, SessionError>> {
        Box::pin(Self::prepare(connection, facts, settings))
    }

    async fn prepare(
        connection: ApiConnection,
        facts: Facts,
        settings: SessionSettings,
    ) -> Result<Self, SessionError> {
        let borrowed = look_at_borrowed(&connection, &settings.borrowed).await?;
        if !settings.borrowed.is_empty() {
            let foreign = borrow::policies(&connection, &settings.borrowed).await?;
            if !foreign.is_empty() {
                (settings.tell)(&Notice::ForeignPolicies(foreign));
            }
        }
        let (near, flows) =
            tokio::join!(limits::near(&connection, &facts), choose_flows(&connection, &facts));
        for limit in near {
            (settings.tell)(&Notice::NearLimit(limit));
        }
        let flows = flows?;
        let run = run_id()?;
        let (names, polls) = (NameServer::default(), AgentPolls::default());
        Ok(Self { connection, facts, flows, run, borrowed, names, polls, settings })
    }

    /// The Cilium it runs.
    pub fn version(&self) -> CiliumVersion {
        self.facts.cilium.version
    }

    /// How many scenarios it can run at once.
    pub fn scenarios_at_once(&self) -> usize {
        self.facts.scenarios_at_once()
    }

    /// The context of the kubeconfig.
    pub fn context(&self) -> &str {
        self.connection.context()
    }

    /// Runs scenarios there, those that do not conflict at the same time, while holding the lease. Ends early when a future
    /// that `asked` makes is ready. The inner error is that of the sink.
    pub fn run<'a>(
        &'a self,
        scenarios: &'a [Scenario],
        options: &'a RunOptions,
        asked: StopSource<'a>,
        progress: &'a WaitProgress,
        sink: Sink<'a>,
    ) -> LocalBoxFuture<'a, Result<io::Result<RunResult>, SessionError>> {
        Box::pin(self.run_under_lease(scenarios, options, asked, progress, sink))
    }

    async fn run_under_lease(
        &self,
        scenarios: &[Scenario],
        options: &RunOptions,
        asked: StopSource<'_>,
        progress: &WaitProgress,
        sink: Sink<'_>,
    ) -> Result<io::Result<RunResult>, SessionError> {
        let unfit = |scenario: &Scenario| self.unfit(scenario);
        let is_run =
            |scenario: &Scenario| scenario.cilium.contains(options.version) && unfit(scenario).is_none();
        let flows = SharedFlows::follow(&self.connection, &self.facts, self.flows.clone()).await?;
        let lease = tokio::select! {
            lease = self.begin(scenarios.iter().filter(|scenario| is_run(scenario)), progress) => lease?,
            () = asked() => return Err(SessionError::Interrupted),
        };
        let schedule = ClusterSchedule::new(scenarios, &self.schedule_options(options, &is_run));
        let open = async |index: usize| {
            let names = schedule.renaming(index).unwrap_or_default();
            let scenario = names.scenario(&scenarios[index]);
            let topology = scenario.steps.first().map(|step| &step.topology);
            let ahead = topology.filter(|_| schedule.is_ahead(index));
            let ahead = ahead.map(|topology| PodsAhead { topology, turn: schedule.turn(index) });
            let uses = self.uses(index, &scenarios[index], options, progress);
            let (connection, facts) = (self.connection.clone(), self.facts.clone());
            let backend = ClusterBackend::open(connection, facts, uses, &flows, ahead).await?;
            Ok(RenamedBackend::new(backend, names, options.version))
        };
        let next = |waiting: &[usize], under_way: &BTreeSet<usize>| schedule.next(waiting, under_way);
        let name = self.name();
        let choice = BackendChoice { name: &name, unfit: &unfit, next: &next };
        let stop = async {
            tokio::select! {
                () = asked() => {}
                reason = lease.lost() => (self.settings.tell)(&Notice::LeaseLost(reason)),
            }
        };
        let result = run_on(choice, scenarios, options, open, stop, sink).await;
        let nothing_is_left = self.end(lease, progress).await;
        Ok(result.map(|result| if nothing_is_left { result } else { RunResult::Failed }))
    }

    /// The options of the schedule. Namespaces are not renamed if the created objects stay for the user to look at.
    fn schedule_options<'a>(
        &'a self,
        options: &RunOptions,
        is_run: &'a dyn Fn(&Scenario) -> bool,
    ) -> ScheduleOptions<'a> {
        let sets = if self.settings.keep { 1 } else { options.parallel };
        let outside = self.settings.world.as_ref().map_or(&[][..], |world| &world.addresses);
        let borrowed = &self.settings.borrowed;
        ScheduleOptions { is_run, sets, outside, borrowed, version: options.version }
    }

    /// The name of the cluster in reports.
    fn name(&self) -> String {
        format!(
            "cluster {} (Kubernetes {}, Cilium {}, flows of {})",
            self.connection.context(),
            self.facts.kubernetes,
            self.facts.cilium.full_version,
            self.flows
        )
    }

    /// Why a scenario cannot run on the cluster; none if it can.
    fn unfit(&self, scenario: &Scenario) -> Option<String> {
        let SessionSettings { world, clusterwide, .. } = &self.settings;
        unfit(&self.facts, world.as_ref(), &self.borrowed, *clusterwide, scenario)
    }

    /// How the scenario with this index uses the cluster.
    fn uses(
        &self,
        index: usize,
        scenario: &Scenario,
        options: &RunOptions,
        progress: &WaitProgress,
    ) -> (ClusterOptions, ClusterRunOptions) {
        let mut world = self.settings.world.clone();
        // Only scenarios that look up names of hosts outside need their DNS server.
        if let Some(world) = world.as_mut().filter(|_| !asks_for_names(scenario)) {
            world.dns = None;
        }
        let of_cluster = ClusterOptions {
            run: self.run.scenario(index),
            image: self.settings.image.clone(),
            borrowed: self.settings.borrowed.clone(),
            world,
            names: self.names.clone(),
            polls: self.polls.clone(),
            pod_deadline: PODS,
            progress: progress.about(&scenario.name),
        };
        let of_run = ClusterRunOptions {
            timeout: options.timeout,
            keep: self.settings.keep,
            evidence: self.settings.evidence.clone(),
        };
        (of_cluster, of_run)
    }

    /// Lists what clusterwide policies select, checks the permissions for them, and takes the lease.
    async fn begin(
        &self,
        runs: impl Iterator<Item = &Scenario>,
        progress: &WaitProgress,
    ) -> Result<Lease, SessionError> {
        let runs: Vec<&Scenario> = runs.collect();
        let has_policies = |scenario: &&&Scenario| has_clusterwide_policies(scenario);
        let clusterwide: Vec<&Scenario> = runs.iter().filter(has_policies).copied().collect();
        if self.settings.clusterwide == Clusterwide::Listed {
            let others = others(&self.connection).await?;
            for reach in clusterwide.iter().flat_map(|it| reach(&self.facts, &others, it, self.version())) {
                (self.settings.tell)(&Notice::Clusterwide(reach));
            }
        }
        if !clusterwide.is_empty() {
            require_clusterwide(&self.connection).await?;
        }
        if runs.iter().any(|scenario| redirects(scenario).next().is_some()) {
            require_redirects(&self.connection).await?;
        }
        namespaces::ensure_system(&self.connection, progress).await?;
        Ok(Lease::take(&self.connection, &self.run).await?)
    }

    /// Removes what scenarios left behind, and releases the lease. Returns false if something is left.
    async fn end(&self, lease: Lease, progress: &WaitProgress) -> bool {
        let cleaned = if self.settings.keep { Ok(()) } else { self.clean(progress).await };
        let released = timeout(RELEASE, lease.release()).await;
        let released = released.unwrap_or(Ok(())).map_err(|error| error.to_string());
        match cleaned.and(released) {
            Ok(()) => true,
            Err(reason) => {
                (self.settings.tell)(&Notice::Leftovers(reason));
                false
            }
        }
    }

    /// Removes what is left; tries again while the API server does not answer, as during a restart.
    async fn clean(&self, progress: &WaitProgress) -> Result<(), String> {
        let scope = CleanScope::Run(self.run.clone());
        let deadline = Instant::now() + SHUTDOWN;
        loop {
            match timeout_at(deadline, clean(&self.connection, &scope, progress)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) if error.may_pass() && Instant::now() + PAUSE < deadline => {
                    sleep(PAUSE).await;
                }
                Ok(Err(error)) => return Err(reason(&error)),
                Err(_) => return Err(format!("it was not gone within {} s", SHUTDOWN.as_secs())),
            }
        }
    }
}

fn run_id() -> Result<RunId, RunIdError> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{seconds}-{}", std::process::id()).parse()
}
