//! Brings up the kind cluster of a profile for a run: Cilium with the settings of the scenarios, the probe's image on the
//! nodes, and a container for hosts outside the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use tracing::warn;
use verdikt_cluster::image::{BuiltImage, ImageError, ProbeProgram, build};
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
    pub built: BuiltImage,
}

/// Why the kind cluster of a run is not up.
#[derive(Debug, thiserror::Error)]
pub enum KindClusterError {
    /// docker, kind or helm failed.
    #[error(transparent)]
    Kind(#[from] Error),
    /// The probe's image cannot be built.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The archive of the image cannot be written.
    #[error("cannot write the image of the probe to {}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The Helm values of Cilium that scenarios need. None if they need different ones: then Cilium keeps those of its profile,
/// and scenarios that need others are skipped.
pub fn settings(scenarios: &[Scenario]) -> Option<BTreeMap<String, String>> {
    let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    let wanted: BTreeSet<_> = steps.map(|step| step.topology.settings.helm_values()).collect();
    if wanted.len() > 1 {
        return None;
    }
    let wanted = wanted.into_iter().next().unwrap_or_default();
    Some(wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Brings the cluster of a profile up if it is not, and loads an image with the first usable of these programs. Reports
/// each phase when it starts.
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
    // The archive has to be a file; its name is unique to this process.
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
    built: &BuiltImage,
    progress: &mut dyn FnMut(&str),
) -> Result<World, KindClusterError> {
    let id = built.image.reference.rsplit(':').next().unwrap_or_default();
    let probe = HostProgram { id, program: &built.program.path, arguments: &built.program.arguments };
    let command = world(profile, &probe, progress)?;
    let addresses = ADDRESSES.iter().copied().map(Into::into).collect();
    Ok(World { command, addresses, dns: Some(IpAddr::V4(DNS)) })
}
