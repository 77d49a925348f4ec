//! Chooses the backend of a run: the one that was asked for, or the lab if it can run here.

use std::collections::BTreeMap;

use verdikt_cluster::world::World;
use verdikt_kind::call::interrupt_by;
use verdikt_kind::profile::Profile;
use verdikt_platform::limit::Limit;
use verdikt_report::text::run_command;
use verdikt_runner::backend::reason;
use verdikt_runner::cluster::kind::{self, KindCluster, KindClusterError};
use verdikt_runner::plan::RunOptions;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;

use super::cluster::{ChosenCluster, PreparedCluster};
use crate::arguments::{BackendArgument, RunArguments};
use crate::cluster_use::probe_programs;
use crate::failure::Failure;
use crate::kind_use::{self, named, phases};
use crate::lab_use;
use crate::printer::Printer;
use crate::signals;

pub(super) enum ChosenBackend {
    /// The policy model alone, and the reason if the lab cannot run and no backend was chosen.
    Model(Option<String>),
    Lab,
    Cluster(Box<ChosenCluster>),
}

impl ChosenBackend {
    /// Chooses and prepares the backend. `scenarios` are at least those that will run.
    pub(super) fn choose(
        arguments: &RunArguments,
        scenarios: &[Scenario],
        printer: &Printer,
    ) -> Result<Self, Failure> {
        match &arguments.on {
            Some(BackendArgument::Model) => Ok(Self::Model(None)),
            Some(BackendArgument::Lab) => match lab_use::enter() {
                Ok(()) => Ok(Self::Lab),
                Err(obstacle) => {
                    let hint = "`--on model` evaluates with the engine alone";
                    // The message of a limit says what to do.
                    Err(lab_use::no_lab(&obstacle).hint(hint).limited_by(&obstacle))
                }
            },
            None => match lab_use::enter() {
                Ok(()) => Ok(Self::Lab),
                // A limit that is reached now does not mean that the lab cannot run here.
                Err(obstacle) if Limit::of(&obstacle).is_some() => Err(lab_use::no_lab(&obstacle)),
                Err(obstacle) => {
                    let why = reason(&obstacle);
                    printer.note(&format!("model instead of lab: {why}"));
                    Ok(Self::Model(Some(why)))
                }
            },
            Some(BackendArgument::Cluster(context)) => {
                let cluster = ChosenCluster::open(context.clone(), PreparedCluster::default(), arguments)?;
                Ok(Self::Cluster(Box::new(cluster)))
            }
            Some(BackendArgument::Kind(name)) => {
                let profile = named(name)?;
                let (cluster, world) = kind_cluster(&profile, scenarios, arguments, printer)?;
                // With a registry, pods use the image by the name in that registry.
                let image = arguments.registry.is_none().then_some(cluster.built.image);
                let prepared = PreparedCluster { image, world };
                Ok(Self::Cluster(Box::new(ChosenCluster::open(Some(cluster.context), prepared, arguments)?)))
            }
        }
    }

    /// Why the lab is not used, if no backend was chosen.
    pub(super) fn instead_of_lab(&self) -> Option<String> {
        match self {
            Self::Model(why) => why.clone(),
            Self::Lab | Self::Cluster(_) => None,
        }
    }

    /// The context of the cluster; none for other backends.
    pub(super) fn context(&self) -> Option<String> {
        match self {
            Self::Model(_) | Self::Lab => None,
            Self::Cluster(cluster) => Some(cluster.context().to_owned()),
        }
    }

    /// The command that repeats the run, up to the names of files: on a cluster with what it may do there.
    pub(super) fn command(&self, arguments: &RunArguments) -> String {
        let on = match (&arguments.on, self) {
            (Some(kind @ BackendArgument::Kind(_)), _) => Some(kind.to_string()),
            (_, Self::Cluster(cluster)) => {
                Some(BackendArgument::Cluster(Some(cluster.context().to_owned())).to_string())
            }
            _ => None,
        };
        let mut command = run_command(on.as_deref());
        if on.is_some() {
            let borrowed = arguments.borrow.iter().map(|namespace| format!(" --borrow {namespace}"));
            command.extend(borrowed);
            command.push_str(if arguments.clusterwide { " --clusterwide" } else { "" });
        }
        command
    }

    /// The default number of scenarios that run at the same time.
    pub(super) fn scenarios_at_once(&self) -> usize {
        match self {
            Self::Model(_) | Self::Lab => RunOptions::default().parallel,
            Self::Cluster(cluster) => cluster.scenarios_at_once(),
        }
    }

    /// The Cilium version of a run: that of the cluster, or the one of the command line.
    pub(super) fn version(&self, asked: Option<CiliumVersion>) -> Result<CiliumVersion, Failure> {
        let Self::Cluster(cluster) = self else { return Ok(asked.unwrap_or_default()) };
        let is = cluster.version();
        match asked.filter(|asked| *asked != is) {
            None => Ok(is),
            Some(asked) => Err(Failure::wrong(format!("the cluster runs Cilium {is}, and not {asked}"))
                .hint("leave `--cilium` out: predictions are for the Cilium of the cluster")),
        }
    }
}

/// Brings the cluster of a profile up for scenarios, and sets hosts outside up.
fn kind_cluster(
    profile: &Profile,
    scenarios: &[Scenario],
    arguments: &RunArguments,
    printer: &Printer,
) -> Result<(KindCluster, Option<World>), Failure> {
    let signals = signals::hold();
    interrupt_by(signals.flag());
    let settings = kind::settings(scenarios).unwrap_or_else(|| {
        printer.note(
            "the scenarios want different settings of Cilium: it keeps those of the profile; run scenarios with other settings \
             by themselves",
        );
        BTreeMap::new()
    });
    let mut progress = phases();
    let cluster = kind::bring_up(profile, settings, &probe_programs()?, &mut progress).map_err(failure)?;
    let needs_world = arguments.world.place().is_none() && kind::have_hosts_outside(scenarios);
    let world = needs_world.then(|| kind::hosts_outside(profile, &cluster.built, &mut progress));
    let world = world.transpose().map_err(failure)?;
    if signals.is_asked() { Err(Failure::interrupted()) } else { Ok((cluster, world)) }
}

fn failure(error: KindClusterError) -> Failure {
    match error {
        KindClusterError::Kind(error) => kind_use::failure(&error),
        KindClusterError::Image(error) => Failure::machine(reason(&error)),
        KindClusterError::Archive { path, source } => {
            Failure::file("write the image of the probe", &path, &source)
        }
    }
}
