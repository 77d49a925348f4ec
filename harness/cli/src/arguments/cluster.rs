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
    /// Bring a cluster up, or see whether the one that is up is whole; prints its context
    Up(ClusterUp),
    /// Remove a cluster
    Down {
        /// The profile
        profile: String,
    },
    /// List the profiles, and which of their clusters exist
    List,
    /// See whether docker, kind and helm are here and new enough, and what is here of a profile
    Doctor {
        /// The profile [default: none, the programs alone]
        profile: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ClusterUp {
    /// The profile; `verdikt cluster list` has all
    #[arg(default_value = DEFAULT)]
    pub(crate) profile: String,
    /// Take images from an archive that `docker save` wrote; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) image_archive: Vec<PathBuf>,
    /// Pull images from this registry: `HOST/cilium/cilium` in place of `quay.io/cilium/cilium`
    #[arg(long, value_name = "HOST")]
    pub(crate) registry: Option<String>,
    /// Take Cilium's chart from a file or an oci:// address
    #[arg(long, value_name = "CHART")]
    pub(crate) chart: Option<String>,
    /// Apply a file in place of the profile's manifests; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Vec<PathBuf>,
    /// How long creating the nodes, and installing Cilium, may take, each: `90s`, `10m`
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
    /// Write the image of verdikt's own probe there, as an archive that container runtimes load, and print its name
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cilium", "json"])]
    pub(crate) probe: Option<PathBuf>,
    /// The registry that is to have it
    #[arg(long, value_name = "HOST", requires = "probe")]
    pub(crate) registry: Option<String>,
    /// Only those of one Cilium version
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
    /// Also what belongs to a run that is under way
    #[arg(long)]
    pub(crate) force: bool,
    /// Instead, remove what verdikt made on this machine: the kind clusters of its profiles, and its containers
    #[arg(long, conflicts_with_all = ["context", "force"])]
    pub(crate) local: bool,
}

/// Where hosts outside a cluster are. Beside a kind cluster there is room for them without a word.
#[derive(Debug, Args)]
pub(crate) struct WorldArguments {
    /// A command that starts verdikt's probe outside the cluster, for hosts of `world`: 'ssh gateway verdikt-probe';
    /// it is given `--address ADDRESS` [default with kind: a container beside the nodes]
    #[arg(long = "world", env = "VERDIKT_WORLD", value_name = "COMMAND", requires = "addresses")]
    command: Option<String>,
    /// The addresses that lead there, from the cluster's nodes and pods: 203.0.113.0/24,198.51.100.7
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
    /// The address there at which the cluster's DNS server asks for names in the domain `test`
    #[arg(long = "world-dns", env = "VERDIKT_WORLD_DNS", value_name = "ADDRESS", requires = "command")]
    dns: Option<IpAddr>,
}

impl WorldArguments {
    pub(crate) fn place(&self) -> Option<verdikt_cluster::world::World> {
        let command = self.command.clone()?;
        Some(verdikt_cluster::world::World { command, addresses: self.addresses.clone(), dns: self.dns })
    }
}

/// A namespace that may be somebody else's.
pub(crate) fn borrowable(text: &str) -> Result<NamespaceName, String> {
    let name: NamespaceName = text.parse().map_err(|error| format!("{error}"))?;
    if OF_THE_CLUSTER.contains(&text) {
        return Err("it belongs to the cluster itself: name a namespace of your own".to_owned());
    }
    if text == SYSTEM_NAMESPACE {
        return Err("it is verdikt's own".to_owned());
    }
    Ok(name)
}
