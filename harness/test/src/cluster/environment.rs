//! Reads the environment variables for runs on clusters: those that `verdikt run` has too, and the probe.

use std::env;
use std::path::{Path, PathBuf};

use verdikt_cluster::image::{ProbeProgram, probes_near};
use verdikt_cluster::world::{World, range};

use super::error::ClusterRunError;
use super::variables::{CLUSTERWIDE, PROBE_PROGRAM, REGISTRY, WORLD, WORLD_ADDRESSES, WORLD_DNS, YES};

/// The name of the probe program.
const INSTALLED: &str = "verdikt-probe";

/// How a run may use a cluster.
#[derive(Clone, Debug)]
pub(super) struct ClusterEnvironment {
    pub(super) yes: bool,
    pub(super) clusterwide: bool,
    pub(super) world: Option<World>,
    pub(super) registry: Option<String>,
}

impl ClusterEnvironment {
    pub(super) fn of_environment() -> Result<Self, ClusterRunError> {
        Ok(Self {
            yes: is_set(YES),
            clusterwide: is_set(CLUSTERWIDE),
            world: text(WORLD).map(world).transpose()?,
            registry: text(REGISTRY),
        })
    }
}

/// The possible paths of the probe: that of the environment, or those near this program and in the `PATH`.
pub(super) fn probe_programs(running: &Path) -> Vec<ProbeProgram> {
    let probe = |path: PathBuf| ProbeProgram { path, arguments: Vec::new() };
    if let Some(named) = env::var_os(PROBE_PROGRAM) {
        return vec![probe(named.into())];
    }
    // Cargo puts test programs into the folder `deps`, below the other programs.
    let mut programs = running.parent().map(probes_near).unwrap_or_default();
    let folders = env::var_os("PATH").unwrap_or_default();
    programs.extend(env::split_paths(&folders).map(|folder| probe(folder.join(INSTALLED))));
    programs
}

fn world(command: String) -> Result<World, ClusterRunError> {
    let addresses = text(WORLD_ADDRESSES).unwrap_or_default();
    let addresses: Result<Vec<_>, String> = addresses.split(',').map(range).collect();
    let dns = text(WORLD_DNS).map(|address| address.parse());
    Ok(World {
        command,
        addresses: addresses.map_err(|why| ClusterRunError::Variable { variable: WORLD_ADDRESSES, why })?,
        dns: dns.transpose().map_err(|_| ClusterRunError::Variable {
            variable: WORLD_DNS,
            why: "it is not an IP address".to_owned(),
        })?,
    })
}

fn text(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|text| !text.is_empty())
}

/// Whether a variable is set to anything but a "no".
fn is_set(variable: &str) -> bool {
    text(variable)
        .is_some_and(|text| !matches!(text.to_lowercase().as_str(), "0" | "f" | "false" | "n" | "no" | "off"))
}
