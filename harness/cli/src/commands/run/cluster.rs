//! `verdikt run --on kind` and `--on cluster`: the runner over a Kubernetes cluster with Cilium.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::Instant;
use verdikt_cluster::borrow::{self, BorrowError, Borrowed};
use verdikt_cluster::clean::{CleanScope, clean};
use verdikt_cluster::cluster::ClusterOptions;
use verdikt_cluster::connect::{ApiConnection, ContextChoice};
use verdikt_cluster::image::{self, ProbeImage};
use verdikt_cluster::inspect::{Facts, inspect};
use verdikt_cluster::lease::Lease;
use verdikt_cluster::mark::RunId;
use verdikt_cluster::others::others;
use verdikt_cluster::wait::WaitProgress;
use verdikt_cluster::world::World;
use verdikt_cluster::{limits, namespaces, permissions};
use verdikt_runner::backend::reason;
use verdikt_runner::cluster::{
    ClusterBackend, ClusterRunOptions, Clusterwide, FlowSourceChoice, Resources, asks_for_names,
    choose_flows, has_clusterwide_policies, reach, unfit,
};
use verdikt_runner::plan::{RunOptions, Sink};
use verdikt_runner::run::{BackendChoice, run_on};
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::run_result::RunResult;

use super::consent;
use crate::commands::runtime;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::signals::Held;

/// How long the pods of a scenario may take to be ready.
const PODS: Duration = Duration::from_mins(2);
/// How long cleaning up at the end may take: longer than an API server takes to restart.
const SHUTDOWN: Duration = Duration::from_secs(30);
/// Before it is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// How long giving back the lease may take; it ends by itself.
const RELEASE: Duration = Duration::from_secs(5);

/// What a run does besides running.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterRunSettings {
    /// The registry that has the probe's image; none if the nodes have it.
    pub(crate) registry: Option<String>,
    /// Where hosts outside the cluster are.
    pub(crate) world: Option<World>,
    /// The namespaces that are somebody else's and are used all the same.
    pub(crate) borrowed: BTreeSet<NamespaceName>,
    /// Whether scenarios with clusterwide policies run although the cluster is somebody else's.
    pub(crate) clusterwide: bool,
    /// Whether a cluster that is not a kind cluster is used without asking.
    pub(crate) yes: bool,
    /// Whether what is made stays.
    pub(crate) keep: bool,
    /// Where what may explain failures is kept.
    pub(crate) evidence: Option<PathBuf>,
}

/// A cluster that can be used.
pub(crate) struct Session {
    runtime: Runtime,
    connection: ApiConnection,
    facts: Facts,
    flows: FlowSourceChoice,
    image: ProbeImage,
    run: RunId,
    borrowed: Borrowed,
    settings: ClusterRunSettings,
}

impl Session {
    /// Connects to the cluster of a context, and looks whether it can be used. `image` is that of its probes, if it
    /// is built already.
    pub(crate) fn open(
        context: Option<String>,
        image: Option<ProbeImage>,
        settings: &ClusterRunSettings,
    ) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let (connection, facts) = runtime.block_on(look(context))?;
        consent::ask(&connection, &facts, settings.yes)?;
        let borrowed = runtime.block_on(look_at_borrowed(&connection, &settings.borrowed))?;
        for limit in runtime.block_on(limits::near(&connection, &facts)) {
            Printer::tell(&format!("near a limit: {limit}\n"));
        }
        let flows = runtime.block_on(choose_flows(&connection, &facts));
        let flows = flows.map_err(|error| Failure::machine(reason(&error)))?;
        let image = match image {
            Some(image) => image,
            None => probe_image(settings.registry.as_deref())?.image,
        };
        let run = run_id().map_err(|error| Failure::from_error(&error))?;
        Ok(Self { runtime, connection, facts, flows, image, run, borrowed, settings: settings.clone() })
    }

    /// The Cilium it runs.
    pub(crate) fn version(&self) -> CiliumVersion {
        self.facts.cilium.version
    }

    /// The context of the kubeconfig.
    pub(super) fn context(&self) -> &str {
        self.connection.context()
    }

    /// Runs scenarios there, those that do not conflict side by side, while no other run is there. An error of the sink is
    /// the inner one.
    pub(super) fn run(
        &self,
        scenarios: &[Scenario],
        options: &RunOptions,
        signals: &Held,
        sink: Sink<'_>,
    ) -> Result<io::Result<RunResult>, Failure> {
        let name = format!(
            "cluster {} (Kubernetes {}, Cilium {}, flows of {})",
            self.connection.context(),
            self.facts.kubernetes,
            self.facts.cilium.full_version,
            self.flows
        );
        self.runtime.block_on(async {
            let unfit = |scenario: &Scenario| {
                let world = self.settings.world.as_ref();
                unfit(&self.facts, world, &self.borrowed, self.clusterwide(), scenario)
            };
            let is_run =
                |scenario: &Scenario| scenario.cilium.contains(options.version) && unfit(scenario).is_none();
            signals
                .or_interrupted(self.tell_reach(scenarios.iter().filter(|scenario| is_run(scenario))))
                .await?;
            let progress = told();
            if scenarios.iter().any(|scenario| has_clusterwide_policies(scenario) && is_run(scenario)) {
                signals.or_interrupted(may_act_everywhere(&self.connection)).await?;
            }
            let lease = signals.or_interrupted(self.take(&progress)).await?;
            let open = async |index: usize| {
                let mut world = self.settings.world.clone();
                // The server of the names is one for all: whoever needs it is there without others that do.
                if let Some(world) = world.as_mut().filter(|_| !asks_for_names(&scenarios[index])) {
                    world.dns = None;
                }
                let options_here = ClusterOptions {
                    run: self.run.scenario(index),
                    image: self.image.clone(),
                    borrowed: self.settings.borrowed.clone(),
                    world,
                    pod_deadline: PODS,
                    progress: progress.about(&scenarios[index].name),
                };
                ClusterBackend::open(
                    self.connection.clone(),
                    self.facts.clone(),
                    options_here,
                    ClusterRunOptions {
                        timeout: options.timeout,
                        keep: self.settings.keep,
                        evidence: self.settings.evidence.clone(),
                        flows: self.flows.clone(),
                    },
                )
                .await
            };
            let resources = |scenario: &Scenario| {
                if is_run(scenario) { Resources::of(scenario) } else { Resources::default() }
            };
            let resources: Vec<Resources> = scenarios.iter().map(resources).collect();
            let conflict = |one: usize, other: usize| resources[one].conflicts_with(&resources[other]);
            let choice = BackendChoice { name: &name, unfit: &unfit, conflict: &conflict };
            let stop = async {
                tokio::select! {
                    () = signals.asked() => {}
                    reason = lease.lost() => Printer::tell(&format!("the run ends: {reason}\n")),
                }
            };
            let outcome = run_on(choice, scenarios, options, open, stop, sink).await;
            self.leave(lease, &progress).await;
            Ok(outcome)
        })
    }

    /// Whether scenarios with clusterwide policies run.
    fn clusterwide(&self) -> Clusterwide {
        if self.settings.clusterwide || consent::is_own(&self.facts) {
            Clusterwide::Allowed
        } else {
            Clusterwide::Skipped
        }
    }

    /// Lists whom the clusterwide policies of scenarios that run select beyond them, on a cluster with others.
    async fn tell_reach(&self, runs: impl Iterator<Item = &Scenario>) -> Result<(), Failure> {
        if !self.settings.clusterwide || consent::is_own(&self.facts) {
            return Ok(());
        }
        let others = others(&self.connection).await.map_err(|error| Failure::machine(reason(&error)))?;
        for reach in runs.flat_map(|scenario| reach(&self.facts, &others, scenario, self.version())) {
            Printer::tell(&format!("clusterwide: {reach}\n"));
        }
        Ok(())
    }

    /// Keeps other runs off, from now on.
    async fn take(&self, progress: &WaitProgress) -> Result<Lease, Failure> {
        let failed = |error: &dyn std::error::Error| Failure::machine(reason(error));
        namespaces::ensure_system(&self.connection, progress).await.map_err(|error| failed(&error))?;
        Lease::take(&self.connection, &self.run).await.map_err(|error| failed(&error))
    }

    /// Removes what scenarios that failed or were interrupted have left, and lets other runs come, whatever is left.
    async fn leave(&self, lease: Lease, progress: &WaitProgress) {
        let cleaned = if self.settings.keep { Ok(()) } else { self.clean(progress).await };
        let released = tokio::time::timeout(RELEASE, lease.release()).await;
        let released = released.unwrap_or(Ok(())).map_err(|error| error.to_string());
        if let Err(reason) = cleaned.and(released) {
            Printer::tell(&format!(
                "something is left in the cluster: `verdikt clean` removes it; {reason}\n"
            ));
        }
    }

    /// Removes what is left; tries again while the API server is away, as after a restart.
    async fn clean(&self, progress: &WaitProgress) -> Result<(), String> {
        let whose = CleanScope::Run(self.run.clone());
        let deadline = Instant::now() + SHUTDOWN;
        loop {
            match tokio::time::timeout_at(deadline, clean(&self.connection, &whose, progress)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) if error.may_pass() && Instant::now() + PAUSE < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(Err(error)) => return Err(reason(&error)),
                Err(_) => return Err(format!("it was not gone within {} s", SHUTDOWN.as_secs())),
            }
        }
    }
}

/// Connects, and looks what is there.
pub(crate) async fn look(context: Option<String>) -> Result<(ApiConnection, Facts), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::machine(reason(error));
    let wanted = ContextChoice { context, kubeconfig: None };
    let (connection, kubernetes) = ApiConnection::open(&wanted).await.map_err(|error| failed(&error))?;
    let missing = permissions::missing(&connection).await.map_err(|error| failed(&error))?;
    if !missing.is_empty() {
        return Err(not_allowed(&connection, "", &missing)
            .hint("an administrator can apply clusters/rbac.yaml, which allows what verdikt needs"));
    }
    let facts = inspect(&connection, &kubernetes).await.map_err(|error| failed(&error))?;
    let namespace = &facts.cilium.namespace;
    let missing =
        permissions::missing_of_cilium(&connection, namespace).await.map_err(|error| failed(&error))?;
    if !missing.is_empty() {
        return Err(not_allowed(&connection, &format!(" in the namespace {namespace}"), &missing).hint(
            format!(
                "an administrator can create the Role verdikt-cilium of clusters/rbac.yaml in {namespace}"
            ),
        ));
    }
    Ok((connection, facts))
}

/// Looks whether clusterwide policies may be made.
async fn may_act_everywhere(connection: &ApiConnection) -> Result<(), Failure> {
    let missing = permissions::missing_clusterwide(connection).await;
    let missing = missing.map_err(|error| Failure::machine(reason(&error)))?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(not_allowed(connection, ", which scenarios with clusterwide policies need", &missing).hint(
        "an administrator can bind the ClusterRole verdikt-clusterwide of clusters/rbac.yaml; `--filter` chooses other \
         scenarios",
    ))
}

/// Looks at the namespaces that are somebody else's, and says which policies of others are in force there.
async fn look_at_borrowed(
    connection: &ApiConnection,
    names: &BTreeSet<NamespaceName>,
) -> Result<Borrowed, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::machine(reason(error));
    if names.is_empty() {
        return Ok(Borrowed::default());
    }
    for name in names {
        let missing = permissions::missing_to_borrow(connection, name.as_str()).await;
        let missing = missing.map_err(|error| failed(&error))?;
        if !missing.is_empty() {
            return Err(not_allowed(connection, &format!(" in the namespace {name}"), &missing).hint(
                format!(
                    "an administrator can bind the ClusterRole verdikt-borrow of clusters/rbac.yaml in {name}"
                ),
            ));
        }
    }
    let borrowed = borrow::look(connection, names).await.map_err(|error| match error {
        BorrowError::Api(error) => failed(&error),
        BorrowError::Absent(_) | BorrowError::Ours(_) => Failure::wrong(error.to_string()),
    })?;
    let policies = borrow::policies(connection, names).await.map_err(|error| failed(&error))?;
    if !policies.is_empty() {
        let list: Vec<String> = policies.iter().map(ToString::to_string).collect();
        Printer::tell(&format!(
            "policies of others stay in force, and the engine does not know them; those that select pods of a scenario \
             may change its verdicts ({}): {}\n",
            list.len(),
            list.join(", ")
        ));
    }
    Ok(borrowed)
}

fn not_allowed(connection: &ApiConnection, place: &str, missing: &[permissions::Missing]) -> Failure {
    let list: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let context = connection.context();
    Failure::machine(format!(
        "the credentials of context `{context}` do not allow{place}: {}",
        list.join(", ")
    ))
}

/// The image of the probes, of this program or the one beside it.
pub(crate) fn probe_image(registry: Option<&str>) -> Result<image::Built, Failure> {
    let running = std::env::current_exe()
        .map_err(|error| Failure::machine("cannot find this program").cause(&error))?;
    image::build(&image::candidates(&running), registry).map_err(|error| Failure::machine(reason(&error)))
}

fn run_id() -> Result<RunId, verdikt_cluster::mark::RunIdError> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{seconds}-{}", std::process::id()).parse()
}

/// Tells on a terminal what is waited for.
pub(crate) fn told() -> WaitProgress {
    if !io::stderr().is_terminal() {
        return WaitProgress::default();
    }
    let (tell, mut lines) = mpsc::unbounded_channel::<String>();
    tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            Printer::tell(&format!("  {line}\n"));
        }
    });
    WaitProgress::to(tell)
}

/// Waits for something on a runtime of its own.
pub(crate) fn wait<T>(what: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(what)
}
