//! Brings up the kind cluster of a profile for a run: its Cilium with the settings of the scenarios, the image of the probe
//! on its nodes, and hosts outside the cluster beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use tracing::warn;
use verdikt_cluster::image::{Built, ImageError, ProbeProgram, build};
use verdikt_cluster::world::World;
use verdikt_kind::cluster::world::{ADDRESSES, DNS, HostProgram, world};
use verdikt_kind::cluster::{KindOptions, load_archive, up};
use verdikt_kind::error::Error;
use verdikt_kind::profile::Profile;
use verdikt_scenario::scenario::Scenario;

/// A kind cluster that is up, with the image of the probe on its nodes.
#[derive(Clone, Debug)]
pub struct KindCluster {
    /// Its context in the kubeconfig.
    pub context: String,
    /// The image.
    pub built: Built,
}

/// Why there is no kind cluster for a run.
#[derive(Debug, thiserror::Error)]
pub enum KindClusterError {
    /// docker, kind or helm did not do what they were told.
    #[error(transparent)]
    Kind(#[from] Error),
    /// There is no image of the probe.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The image cannot be handed to the nodes.
    #[error("cannot write the image of the probe to {}", path.display())]
    Archive {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// What Cilium is to have for scenarios, as Helm values. None where they want different things: it has what its profile
/// says, and scenarios that want something else are skipped with that reason.
pub fn settings(scenarios: &[Scenario]) -> Option<BTreeMap<String, String>> {
    let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    let wanted: BTreeSet<_> = steps.map(|step| step.topology.settings.helm_values()).collect();
    if wanted.len() > 1 {
        return None;
    }
    let wanted = wanted.into_iter().next().unwrap_or_default();
    Some(wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Brings the cluster of a profile up, where it is not, and loads the first of these programs that nodes take. Tells of each
/// phase as it begins.
pub fn bring_up(
    profile: &Profile,
    settings: BTreeMap<String, String>,
    probes: &[ProbeProgram],
    progress: &mut dyn FnMut(&str),
) -> Result<KindCluster, KindClusterError> {
    let options = KindOptions { settings: Some(settings), ..KindOptions::default() };
    let up = up(profile, &options, progress)?;
    progress("load the image of the probe");
    let built = build(probes, None)?;
    // In a place of this process's own: the archive has to be a file.
    let path = std::env::temp_dir().join(format!("verdikt-probe-{}.tar", std::process::id()));
    if let Err(source) = std::fs::write(&path, &built.archive) {
        return Err(KindClusterError::Archive { path, source });
    }
    let loaded = load_archive(profile, &path);
    if let Err(error) = std::fs::remove_file(&path) {
        warn!(%error, path = %path.display(), "cannot remove the archive of the probe's image");
    }
    loaded?;
    Ok(KindCluster { context: up.context, built })
}

/// Whether scenarios have hosts outside the cluster.
pub fn have_hosts_outside(scenarios: &[Scenario]) -> bool {
    let mut steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    steps.any(|step| !step.topology.world.is_empty())
}

/// Starts a container for hosts outside the cluster, beside its nodes.
pub fn hosts_outside(
    profile: &Profile,
    built: &Built,
    progress: &mut dyn FnMut(&str),
) -> Result<World, KindClusterError> {
    let id = built.image.reference.rsplit(':').next().unwrap_or_default();
    let probe = HostProgram { id, program: &built.program.path, arguments: &built.program.arguments };
    let command = world(profile, &probe, progress)?;
    let addresses = ADDRESSES.map(Into::into).to_vec();
    Ok(World { command, addresses, dns: Some(IpAddr::V4(DNS)) })
}
