//! A run on a cluster, from the connection to its events.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Builder;
use verdikt_cluster::image::{ProbeImage, ProbeProgram, build};
use verdikt_cluster::wait::WaitProgress;
use verdikt_cluster::world::World;
use verdikt_kind::profile::{DEFAULT, profile};
use verdikt_runner::cluster::Clusterwide;
use verdikt_runner::cluster::access::{is_own, look, name_for_people};
use verdikt_runner::cluster::kind::{bring_up, have_hosts_outside, hosts_outside, settings};
use verdikt_runner::cluster::notice::Notice;
use verdikt_runner::cluster::session::{ClusterSession, SessionError, SessionSettings};
use verdikt_runner::run::Stop;
use verdikt_scenario::diagnostic;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::Event;

use super::ClusterRun;
use super::environment::{ClusterEnvironment, probe_programs};
use super::error::ClusterRunError;
use super::interrupt::Interrupts;
use crate::events::options;

/// One run on a cluster at a time: the Lease of a cluster would make a second one wait anyway.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A cluster to connect to, and what a run needs from it.
#[derive(Default)]
struct ClusterTarget {
    /// The context; none means the current one.
    context: Option<String>,
    /// The image of the probe, if the nodes have it.
    image: Option<ProbeImage>,
    /// Where hosts outside the cluster are.
    world: Option<World>,
}

/// The events of a run. If a signal arrives, the process ends after cleaning up the cluster.
pub(super) fn events(run: ClusterRun<'_>) -> Result<Vec<Event>, ClusterRunError> {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let environment = ClusterEnvironment::of_environment()?;
    let running = std::env::current_exe().map_err(ClusterRunError::Program)?;
    let probes = probe_programs(&running);
    let target = match run.on.split_once(':').unwrap_or((run.on, "")) {
        ("kind", "") => kind(DEFAULT, run, &environment, &probes)?,
        ("kind", name) => kind(name, run, &environment, &probes)?,
        (_, context) => ClusterTarget {
            context: Some(context.to_owned()).filter(|context| !context.is_empty()),
            world: environment.world.clone(),
            ..ClusterTarget::default()
        },
    };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(ClusterRunError::Runtime)?;
    runtime.block_on(async {
        let (session, version) = open(target, run, &environment, &probes).await?;
        events_of(&session, version, run).await
    })
}

/// Creates the kind cluster of a profile, unless it exists.
fn kind(
    name: &str,
    run: ClusterRun<'_>,
    environment: &ClusterEnvironment,
    probes: &[ProbeProgram],
) -> Result<ClusterTarget, ClusterRunError> {
    let profile = profile(name)?;
    let progress = &mut |phase: &str| tell(phase);
    // Scenarios that need other settings are skipped with that reason.
    let settings = settings(run.scenarios).unwrap_or_default();
    let cluster = bring_up(&profile, settings, probes, progress)?;
    let world = match &environment.world {
        Some(world) => Some(world.clone()),
        None if have_hosts_outside(run.scenarios) => Some(hosts_outside(&profile, &cluster.built, progress)?),
        None => None,
    };
    Ok(ClusterTarget {
        context: Some(cluster.context),
        // With a registry, pods use the image's name in that registry.
        image: environment.registry.is_none().then_some(cluster.built.image),
        world,
    })
}

/// A session with a usable cluster, and its Cilium version.
async fn open(
    target: ClusterTarget,
    run: ClusterRun<'_>,
    environment: &ClusterEnvironment,
    probes: &[ProbeProgram],
) -> Result<(ClusterSession, CiliumVersion), ClusterRunError> {
    let (connection, facts) = look(target.context).await.map_err(SessionError::Access)?;
    let name = name_for_people(&connection, &facts);
    if !environment.yes && facts.kind_cluster().is_none() {
        return Err(ClusterRunError::Unasked(name));
    }
    let is = facts.cilium.version;
    if let Some(asked) = run.version.filter(|asked| *asked != is) {
        return Err(ClusterRunError::Version { is, asked });
    }
    let mistakes = verdikt_runner::mistakes(run.scenarios, is);
    if !mistakes.is_empty() {
        return Err(ClusterRunError::Mistakes(diagnostic::render(&mistakes, run.sources)));
    }
    tell(&format!("using {name}"));
    let image = match target.image {
        Some(image) => image,
        None => build(probes, environment.registry.as_deref())?.image,
    };
    let clusterwide = match (is_own(&facts), environment.clusterwide) {
        (true, _) => Clusterwide::Allowed,
        (false, true) => Clusterwide::Listed,
        (false, false) => Clusterwide::Skipped,
    };
    let settings = SessionSettings {
        image,
        world: target.world,
        borrowed: BTreeSet::new(),
        clusterwide,
        keep: false,
        evidence: None,
        tell: |notice: &Notice| tell(&notice.to_string()),
    };
    Ok((ClusterSession::open(connection, facts, settings).await?, is))
}

async fn events_of(
    session: &ClusterSession,
    version: CiliumVersion,
    run: ClusterRun<'_>,
) -> Result<Vec<Event>, ClusterRunError> {
    let (options, progress, interrupts) = (options(version), WaitProgress::default(), Interrupts::default());
    let asked = || -> Stop<'_> { Box::pin(interrupts.asked()) };
    let mut events = Vec::new();
    let sink = &mut |event| {
        events.push(event);
        Ok(())
    };
    let ended = session.run(run.scenarios, &options, &asked, &progress, sink).await;
    interrupts.obey();
    // The sink accepts everything.
    ended?.map_err(ClusterRunError::Runtime)?;
    Ok(events)
}

/// Prints a message to the user who runs the tests.
#[expect(clippy::print_stderr, reason = "so speak tests")]
fn tell(line: &str) {
    eprintln!("{line}");
}
