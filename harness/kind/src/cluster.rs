//! kind clusters: bringing them up and down, listing them, and the hosts outside of them.

mod containers;
mod dns;
mod helm;
mod images;
mod stock;
mod up;
mod waiting;
pub mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::call::ProgramCall;
use crate::error::Error;
use crate::profile::{PREFIX, Profile, profiles};
use crate::program::Program;

pub use stock::{LocalParts, stock};
pub use up::{RunningCluster, up};

/// How a cluster is brought up.
#[derive(Clone, Debug)]
pub struct KindOptions {
    /// Archives with images, as `docker save` writes them. What they hold is not pulled.
    pub image_archives: Vec<PathBuf>,
    /// The registry to pull every image from, in place of the images' own.
    pub registry: Option<String>,
    /// The chart `cilium`, an archive or an `oci://` address, in place of the one from its repository.
    pub chart: Option<String>,
    /// Files that are applied in place of the profile's manifests.
    pub manifests: Vec<PathBuf>,
    /// The Helm values to add to the profile's, by their dotted names, each in JSON. None leaves an installed Cilium as it
    /// is.
    pub settings: Option<BTreeMap<String, String>>,
    /// The time limit of each of the two long phases: creating the nodes, and installing Cilium.
    pub timeout: Duration,
}

impl Default for KindOptions {
    fn default() -> Self {
        Self {
            image_archives: Vec::new(),
            registry: None,
            chart: None,
            manifests: Vec::new(),
            settings: None,
            timeout: Duration::from_mins(10),
        }
    }
}

/// The names of our clusters, in order.
pub fn clusters() -> Result<Vec<String>, Error> {
    let listed = ProgramCall::new(Program::Kind, "list the clusters").arguments(["get", "clusters"]).run()?;
    let mut ours: Vec<String> =
        listed.lines().map(str::trim).filter(|name| name.starts_with(PREFIX)).map(str::to_owned).collect();
    ours.sort();
    Ok(ours)
}

/// Copies the images of an archive, as `docker save` writes them, into the nodes of a profile's cluster.
pub fn load_archive(profile: &Profile, archive: &Path) -> Result<(), Error> {
    images::load_archive_into_nodes(profile, archive)
}

/// Removes the cluster of a profile, and the container of the hosts outside of it. Returns whether there was a cluster.
pub fn down(profile: &Profile) -> Result<bool, Error> {
    let cluster = profile.cluster();
    containers::remove_all(&containers::of_cluster(&cluster))?;
    if !clusters()?.contains(&cluster) {
        return Ok(false);
    }
    delete(&cluster)?;
    Ok(true)
}

/// The names of what was removed from this machine, and of what was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// The containers of hosts outside.
    pub containers: Vec<String>,
    /// The clusters of profiles.
    pub clusters: Vec<String>,
    /// Clusters whose name begins like verdikt's and names no profile: they stay.
    pub others: Vec<String>,
}

/// Removes the clusters of all profiles, and all containers of hosts outside.
pub fn clean() -> Result<Cleaned, Error> {
    let of_profiles: Vec<String> = profiles().map(|profile| profile.cluster()).collect();
    let (clusters, others) = clusters()?.into_iter().partition(|name| of_profiles.contains(name));
    let cleaned = Cleaned { containers: containers::remove_all(containers::OURS)?, clusters, others };
    cleaned.clusters.iter().try_for_each(|cluster| delete(cluster))?;
    Ok(cleaned)
}

fn delete(cluster: &str) -> Result<(), Error> {
    ProgramCall::new(Program::Kind, format!("remove the cluster `{cluster}`"))
        .arguments(["delete", "cluster", "--name", cluster])
        .deadline(Duration::from_mins(5))
        .cleans_up()
        .run()
        .map(drop)
}

/// Calls `kubectl` in the control plane's container, so that this machine needs none.
fn kubectl(profile: &Profile, doing: String) -> ProgramCall {
    ProgramCall::new(Program::Docker, doing).arguments([
        "exec",
        "--interactive",
        &profile.control_plane(),
        "kubectl",
        "--kubeconfig",
        "/etc/kubernetes/admin.conf",
    ])
}
