//! `verdikt run --on kind` and `--on cluster`: the runner over a Kubernetes cluster with Cilium.

use std::future::Future;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use verdikt_cluster::clean::{Whose, clean};
use verdikt_cluster::cluster::Options;
use verdikt_cluster::connect::{Connection, Wanted};
use verdikt_cluster::image::{self, AgentImage};
use verdikt_cluster::inspect::{Facts, inspect};
use verdikt_cluster::mark::RunId;
use verdikt_cluster::permissions;
use verdikt_cluster::wait::Progress;
use verdikt_cluster::world::World;
use verdikt_runner::backend::reason;
use verdikt_runner::cluster::{ClusterBackend, FlowsOf, Manner, choose_flows, unfit};
use verdikt_runner::plan::{RunOptions, Sink};
use verdikt_runner::run::run_on;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::outcome::Outcome;

use super::lab::interrupted;
use crate::commands::runtime;
use crate::failure::Failure;
use crate::printer::Printer;

/// How long the pods of a scenario may take to be ready.
const PODS: Duration = Duration::from_mins(2);
/// How long cleaning up after an interruption may take.
const FAREWELL: Duration = Duration::from_secs(20);

/// What a run does besides running.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// The registry that has the agent's image; none if the nodes have it.
    pub(crate) registry: Option<String>,
    /// Where hosts outside the cluster are.
    pub(crate) world: Option<World>,
    /// Whether what is made stays.
    pub(crate) keep: bool,
    /// Where what may explain failures is kept.
    pub(crate) evidence: Option<PathBuf>,
}

/// A cluster that can be used.
pub(crate) struct Session {
    runtime: Runtime,
    connection: Connection,
    facts: Facts,
    flows: FlowsOf,
    image: AgentImage,
    run: RunId,
    settings: Settings,
}

impl Session {
    /// Connects to the cluster of a context, and looks whether it can be used. `image` is that of its agents, if it
    /// is built already.
    pub(crate) fn open(
        context: Option<String>,
        image: Option<AgentImage>,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        let runtime = started()?;
        let (connection, facts) = runtime.block_on(look(context))?;
        let flows = runtime.block_on(choose_flows(&connection, &facts));
        let flows = flows.map_err(|error| Failure::machine(reason(&error)))?;
        let image = match image {
            Some(image) => image,
            None => agent_image(settings.registry.as_deref())?.image,
        };
        let run = run_id().map_err(|error| Failure::from_error(&error))?;
        Ok(Self { runtime, connection, facts, flows, image, run, settings: settings.clone() })
    }

    /// The Cilium it runs.
    pub(crate) fn version(&self) -> CiliumVersion {
        self.facts.cilium.version
    }

    /// Runs scenarios there, one after the other.
    pub(super) fn run(
        &self,
        scenarios: &[Scenario],
        options: &RunOptions,
        sink: Sink<'_>,
    ) -> io::Result<Outcome> {
        let name = format!(
            "cluster {} (Kubernetes {}, Cilium {}, flows of {})",
            self.connection.context(),
            self.facts.kubernetes,
            self.facts.cilium.full_version,
            self.flows
        );
        self.runtime.block_on(async {
            let progress = told();
            let open = async || {
                let options_here = Options {
                    run: self.run.clone(),
                    image: self.image.clone(),
                    borrowed: std::collections::BTreeSet::new(),
                    world: self.settings.world.clone(),
                    pod_deadline: PODS,
                    progress: progress.clone(),
                };
                ClusterBackend::open(
                    self.connection.clone(),
                    self.facts.clone(),
                    options_here,
                    Manner {
                        timeout: options.timeout,
                        keep: self.settings.keep,
                        evidence: self.settings.evidence.clone(),
                        flows: self.flows.clone(),
                    },
                )
                .await
            };
            let unfit = |scenario: &Scenario| unfit(&self.facts, self.settings.world.as_ref(), scenario);
            // The pods of one scenario are alone in the cluster.
            let options = RunOptions { parallel: 1, ..options.clone() };
            let outcome = run_on(&name, scenarios, &options, unfit, open, interrupted(), sink).await?;
            if [Outcome::Interrupted, Outcome::Failed].contains(&outcome) && !self.settings.keep {
                let whose = Whose::Run(self.run.clone());
                let cleaning = clean(&self.connection, &whose, &progress);
                if !matches!(tokio::time::timeout(FAREWELL, cleaning).await, Ok(Ok(_))) {
                    Printer::tell("something is left in the cluster: `verdikt clean` removes it\n");
                }
            }
            Ok(outcome)
        })
    }
}

/// Connects, and looks what is there.
pub(crate) async fn look(context: Option<String>) -> Result<(Connection, Facts), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::machine(reason(error));
    let wanted = Wanted { context, kubeconfig: None };
    let (connection, kubernetes) = Connection::open(&wanted).await.map_err(|error| failed(&error))?;
    let missing = permissions::missing(&connection).await.map_err(|error| failed(&error))?;
    if !missing.is_empty() {
        let list: Vec<String> = missing.iter().map(ToString::to_string).collect();
        return Err(Failure::machine(format!(
            "the credentials of context `{}` do not allow: {}",
            connection.context(),
            list.join(", ")
        ))
        .hint("an administrator can apply clusters/rbac.yaml, which allows what verdikt needs"));
    }
    let facts = inspect(&connection, &kubernetes).await.map_err(|error| failed(&error))?;
    Ok((connection, facts))
}

/// The image of the agents, of this program or the one beside it.
pub(crate) fn agent_image(registry: Option<&str>) -> Result<image::Built, Failure> {
    let running = std::env::current_exe()
        .map_err(|error| Failure::machine("cannot find this program").cause(&error))?;
    image::build(&image::candidates(&running), registry).map_err(|error| Failure::machine(reason(&error)))
}

fn run_id() -> Result<RunId, verdikt_cluster::mark::RunIdError> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{seconds}-{}", std::process::id()).parse()
}

/// Tells on a terminal what is waited for.
pub(crate) fn told() -> Progress {
    if !io::stderr().is_terminal() {
        return Progress::default();
    }
    let (tell, mut lines) = mpsc::unbounded_channel::<String>();
    tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            Printer::tell(&format!("  {line}\n"));
        }
    });
    Progress::to(tell)
}

/// Waits for something on a runtime of its own.
pub(crate) fn wait<T>(what: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    started()?.block_on(what)
}

fn started() -> Result<Runtime, Failure> {
    runtime().map_err(|error| Failure::machine("cannot start").cause(&error))
}
