//! The command line of `cluster`, `clean` and `images`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use ipnet::IpNet;
use verdikt_cluster::mark::SYSTEM_NAMESPACE;
use verdikt_cluster::world::range;
use verdikt_kind::cluster::KindOptions;
use verdikt_kind::profile::DEFAULT;
use verdikt_runner::cluster::OF_THE_CLUSTER;
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::version::CiliumVersion;

#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    #[command(subcommand)]
    pub(crate) command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Create a cluster, or check and complete the existing one; prints its context
    Up(ClusterUp),
    /// Remove a cluster
    Down {
        /// The profile
        profile: String,
    },
    /// List the profiles, and whether their clusters exist
    List,
    /// Check that docker, kind and helm are installed and new enough, and which images of a profile are on this machine
    Doctor {
        /// The profile [default: check the programs only]
        profile: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ClusterUp {
    /// The profile; `verdikt cluster list` shows all of them
    #[arg(default_value = DEFAULT)]
    pub(crate) profile: String,
    /// Use the images of an archive that `docker save` wrote; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) image_archive: Vec<PathBuf>,
    /// Pull images from this registry: `HOST/cilium/cilium` in place of `quay.io/cilium/cilium`
    #[arg(long, value_name = "HOST")]
    pub(crate) registry: Option<String>,
    /// Use this chart of Cilium: a file or an oci:// address
    #[arg(long, value_name = "CHART")]
    pub(crate) chart: Option<String>,
    /// Apply a file in place of the profile's manifests; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Vec<PathBuf>,
    /// The timeout for creating the nodes, and for installing Cilium: `90s`, `10m`
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = super::duration::duration)]
    pub(crate) timeout: Duration,
}

impl ClusterUp {
    pub(crate) fn options(&self) -> KindOptions {
        KindOptions {
            settings: None,
            image_archives: self.image_archive.clone(),
            registry: self.registry.clone(),
            chart: self.chart.clone(),
            manifests: self.manifest.clone(),
            timeout: self.timeout,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ImagesArguments {
    /// Write the image of verdikt's probe to this file, as an archive that container runtimes load, and print its name
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cilium", "json"])]
    pub(crate) probe: Option<PathBuf>,
    /// The registry in the name of the probe's image
    #[arg(long, value_name = "HOST", requires = "probe")]
    pub(crate) registry: Option<String>,
    /// Only the images of one Cilium version
    #[arg(long, value_name = "VERSION")]
    pub(crate) cilium: Option<CiliumVersion>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Clean {
    /// The context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) context: Option<String>,
    /// Also remove what belongs to a run that is still going on
    #[arg(long)]
    pub(crate) force: bool,
    /// Instead, remove what verdikt created on this machine: the kind clusters of its profiles, and its containers
    #[arg(long, conflicts_with_all = ["context", "force"])]
    pub(crate) local: bool,
}

/// Where probes for hosts outside a cluster run. Kind clusters need none of these options.
#[derive(Debug, Args)]
pub(crate) struct WorldArguments {
    /// The command that starts verdikt's probe outside the cluster, for hosts of `world`: 'ssh gateway verdikt-probe';
    /// `--address ADDRESS` is added to it [default with kind: a container beside the nodes]
    #[arg(long = "world", env = "VERDIKT_WORLD", value_name = "COMMAND", requires = "addresses")]
    command: Option<String>,
    /// The addresses that the cluster's nodes route there: 203.0.113.0/24,198.51.100.7
    #[arg(
        id = "addresses",
        long = "world-addresses",
        env = "VERDIKT_WORLD_ADDRESSES",
        value_name = "RANGES",
        value_delimiter = ',',
        requires = "command",
        value_parser = range
    )]
    addresses: Vec<IpNet>,
    /// The one of these addresses to which the cluster's DNS server forwards queries for the domain `test`
    #[arg(long = "world-dns", env = "VERDIKT_WORLD_DNS", value_name = "ADDRESS", requires = "command")]
    dns: Option<IpAddr>,
}

impl WorldArguments {
    pub(crate) fn place(&self) -> Option<verdikt_cluster::world::World> {
        let command = self.command.clone()?;
        Some(verdikt_cluster::world::World { command, addresses: self.addresses.clone(), dns: self.dns })
    }
}

/// Parses the name of a namespace that may be borrowed.
pub(crate) fn borrowable(text: &str) -> Result<NamespaceName, String> {
    let name: NamespaceName = text.parse().map_err(|error| format!("{error}"))?;
    if OF_THE_CLUSTER.contains(&text) {
        return Err("it belongs to the cluster itself: name a namespace of your own".to_owned());
    }
    if text == SYSTEM_NAMESPACE {
        return Err("it is verdikt's own namespace: name another one".to_owned());
    }
    Ok(name)
}
