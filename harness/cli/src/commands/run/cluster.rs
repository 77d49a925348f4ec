//! `verdikt run --on kind` and `--on cluster`: the session with a cluster, and its failures.

use std::io;

use tokio::runtime::Runtime;
use verdikt_cluster::borrow::BorrowError;
use verdikt_cluster::image::ProbeImage;
use verdikt_cluster::world::World;
use verdikt_runner::backend::reason;
use verdikt_runner::cluster::Clusterwide;
use verdikt_runner::cluster::access::{AccessError, is_own, look};
use verdikt_runner::cluster::notice::Notice;
use verdikt_runner::cluster::session::{ClusterSession, SessionError, SessionSettings};
use verdikt_runner::plan::{RunOptions, Sink};
use verdikt_runner::run::Stop;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::run_result::RunResult;

use super::consent;
use crate::arguments::RunArguments;
use crate::cluster_use::{probe_image, progress_on_terminal};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::runtime::runtime;
use crate::signals::HeldSignals;

/// What has been prepared for a cluster.
#[derive(Debug, Default)]
pub(super) struct PreparedCluster {
    /// The image of the probes.
    pub(super) image: Option<ProbeImage>,
    /// Where probes for hosts outside the cluster run, unless the command line says it.
    pub(super) world: Option<World>,
}

/// A cluster that a run uses.
pub(super) struct ChosenCluster {
    runtime: Runtime,
    session: ClusterSession,
}

impl ChosenCluster {
    /// Connects to the cluster of a context, asks whether it may be used, and checks that it can be.
    pub(super) fn open(
        context: Option<String>,
        prepared: PreparedCluster,
        arguments: &RunArguments,
    ) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let (connection, facts) =
            runtime.block_on(look(context)).map_err(|error| failure(&SessionError::Access(error)))?;
        consent::ask(&connection, &facts, arguments.yes)?;
        let image = match prepared.image {
            Some(image) => image,
            None => probe_image(arguments.registry.as_deref())?.image,
        };
        let clusterwide = match (is_own(&facts), arguments.clusterwide) {
            (true, _) => Clusterwide::Allowed,
            (false, true) => Clusterwide::Listed,
            (false, false) => Clusterwide::Skipped,
        };
        let settings = SessionSettings {
            image,
            world: arguments.world.place().or(prepared.world),
            borrowed: arguments.borrow.iter().cloned().collect(),
            clusterwide,
            keep: arguments.keep,
            evidence: arguments.evidence.clone(),
            tell: |notice: &Notice| Printer::tell(&format!("{notice}\n")),
        };
        let session = runtime.block_on(ClusterSession::open(connection, facts, settings));
        Ok(Self { runtime, session: session.map_err(|error| failure(&error))? })
    }

    /// The Cilium it runs.
    pub(super) fn version(&self) -> CiliumVersion {
        self.session.version()
    }

    /// How many scenarios it can run at once.
    pub(super) fn scenarios_at_once(&self) -> usize {
        self.session.scenarios_at_once()
    }

    /// The context of the kubeconfig.
    pub(super) fn context(&self) -> &str {
        self.session.context()
    }

    /// Runs scenarios there. The inner error is that of the sink.
    pub(super) fn run(
        &self,
        scenarios: &[Scenario],
        options: &RunOptions,
        signals: &HeldSignals,
        sink: Sink<'_>,
    ) -> Result<io::Result<RunResult>, Failure> {
        let progress = progress_on_terminal();
        let asked = || -> Stop<'_> { Box::pin(signals.asked()) };
        let run = self.session.run(scenarios, options, &asked, &progress, sink);
        self.runtime.block_on(run).map_err(|error| failure(&error))
    }
}

/// The failure of a session that cannot start.
fn failure(error: &SessionError) -> Failure {
    match error {
        SessionError::Interrupted => Failure::interrupted(),
        SessionError::Access(AccessError::Borrow(BorrowError::Absent(_) | BorrowError::Ours(_))) => {
            Failure::wrong(error.to_string())
        }
        SessionError::Access(access) => {
            let failure = Failure::machine(reason(error));
            match access.advice() {
                Some(advice) => failure.hint(advice),
                None => failure,
            }
        }
        _ => Failure::machine(reason(error)),
    }
}
