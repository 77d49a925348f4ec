//! Where a run takes place: as wished, or in the lab if there can be one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use verdikt_cluster::image::Built;
use verdikt_cluster::world::World;
use verdikt_kind::cluster::world::{ADDRESSES, DNS, HostProgram, world};
use verdikt_kind::cluster::{KindOptions, load_archive};
use verdikt_kind::profile::Profile;
use verdikt_platform::limit::Limit;
use verdikt_runner::backend::reason;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;

use super::cluster::{ChosenCluster, Prepared};
use crate::arguments::{BackendArgument, RunArguments};
use crate::cluster_use::probe_image;
use crate::failure::Failure;
use crate::kind_use::{bring_up, failure, named, phases};
use crate::lab_use;
use crate::printer::Printer;

pub(super) enum ChosenBackend {
    /// The engine alone, and why it is not the lab where nobody chose it.
    Model(Option<String>),
    Lab,
    Cluster(Box<ChosenCluster>),
}

impl ChosenBackend {
    /// `scenarios` are those that are to run there, or more.
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
                    // The limit says itself what to do.
                    Err(lab_use::no_lab(&obstacle).hint(hint).limited_by(&obstacle))
                }
            },
            None => match lab_use::enter() {
                Ok(()) => Ok(Self::Lab),
                // What runs out may be there again: that is nothing a machine cannot have.
                Err(obstacle) if Limit::of(&obstacle).is_some() => Err(lab_use::no_lab(&obstacle)),
                Err(obstacle) => {
                    let why = reason(&obstacle);
                    printer.note(&format!("model instead of lab: {why}"));
                    Ok(Self::Model(Some(why)))
                }
            },
            Some(BackendArgument::Cluster(context)) => {
                let cluster = ChosenCluster::open(context.clone(), Prepared::default(), arguments)?;
                Ok(Self::Cluster(Box::new(cluster)))
            }
            Some(BackendArgument::Kind(name)) => {
                let profile = named(name)?;
                let mut progress = phases();
                let settings = settings_of(scenarios, printer);
                let (context, built) = kind(&profile, settings, &mut progress)?;
                let has_world =
                    |scenario: &Scenario| scenario.steps.iter().any(|step| !step.topology.world.is_empty());
                let needs_world = arguments.world.place().is_none() && scenarios.iter().any(has_world);
                let world = needs_world.then(|| outside(&profile, &built, &mut progress)).transpose()?;
                // With a registry, pods call the image by a name of that registry.
                let image = arguments.registry.is_none().then_some(built.image);
                let prepared = Prepared { image, world };
                Ok(Self::Cluster(Box::new(ChosenCluster::open(Some(context), prepared, arguments)?)))
            }
        }
    }

    /// Why it is not the lab, where nobody chose another backend.
    pub(super) fn instead_of_lab(&self) -> Option<String> {
        match self {
            Self::Model(why) => why.clone(),
            Self::Lab | Self::Cluster(_) => None,
        }
    }

    /// The context of the cluster; none elsewhere.
    pub(super) fn context(&self) -> Option<String> {
        match self {
            Self::Model(_) | Self::Lab => None,
            Self::Cluster(cluster) => Some(cluster.context().to_owned()),
        }
    }

    /// The Cilium version of a run: that of the cluster, or the one that is asked for.
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

/// What the Cilium of a cluster is to have for scenarios, as Helm values. Where they want different things, it has what its
/// profile says, and those that want something else are skipped with that reason.
fn settings_of(scenarios: &[Scenario], printer: &Printer) -> BTreeMap<String, String> {
    let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    let wanted: BTreeSet<_> = steps.map(|step| step.topology.settings.helm_values()).collect();
    if wanted.len() > 1 {
        printer.note(
            "the scenarios want different settings of Cilium: it keeps those of the profile; run scenarios with other settings \
             by themselves",
        );
        return BTreeMap::new();
    }
    let wanted = wanted.into_iter().next().unwrap_or_default();
    wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Brings the cluster of a profile up, with the probe's image on its nodes; its context, and the image.
fn kind(
    profile: &Profile,
    settings: BTreeMap<String, String>,
    progress: &mut dyn FnMut(&str),
) -> Result<(String, Built), Failure> {
    let options = KindOptions { settings: Some(settings), ..KindOptions::default() };
    let up = bring_up(profile, &options, progress)?;
    progress("load the image of the probe");
    let built = probe_image(None)?;
    // In a place of this process's own: the archive has to be a file.
    let archive = std::env::temp_dir().join(format!("verdikt-probe-{}.tar", std::process::id()));
    std::fs::write(&archive, &built.archive)
        .map_err(|error| Failure::file("write the image of the probe", &archive, &error))?;
    let loaded = load_archive(profile, &archive).map_err(|error| failure(&error));
    // A file that stays is small, and the system's to remove.
    let _ = std::fs::remove_file(&archive);
    loaded?;
    Ok((up.context, built))
}

/// Where hosts outside the cluster of a profile are: in a container beside its nodes.
fn outside(profile: &Profile, built: &Built, progress: &mut dyn FnMut(&str)) -> Result<World, Failure> {
    let id = built.image.reference.rsplit(':').next().unwrap_or_default();
    let probe = HostProgram { id, program: &built.program.path, arguments: &built.program.arguments };
    let command = world(profile, &probe, progress).map_err(|error| failure(&error))?;
    let addresses = ADDRESSES.map(Into::into).to_vec();
    Ok(World { command, addresses, dns: Some(IpAddr::V4(DNS)) })
}
