//! The arguments of `verdikt init`.

use std::path::PathBuf;

use clap::Args;
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::version::CiliumVersion;

use super::{FileArguments, SettingsArguments};

#[derive(Debug, Args)]
#[command(after_help = "Example: helm template shop | verdikt init - --policies policies/")]
pub(crate) struct Init {
    /// Kubernetes manifests, files and folders; `-` is the standard input
    #[arg(required_unless_present = "context")]
    pub(crate) paths: Vec<PathBuf>,
    /// The policies in force, files and folders [default: those among the manifests]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) policies: Vec<PathBuf>,
    /// Read the objects of a cluster, by this context of the kubeconfig, in place of manifests; this only needs the right to
    /// list them
    #[arg(long, value_name = "CONTEXT", conflicts_with = "paths")]
    pub(crate) context: Option<String>,
    /// The folder of the scenario; `-` is the standard output
    #[arg(long, short, value_name = "FOLDER", default_value = "scenarios")]
    pub(crate) output: PathBuf,
    /// The name of the scenario and its file [default: that of the first path]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The namespace of objects without one [default: default]
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<NamespaceName>,
    /// Replace an existing scenario
    #[arg(long)]
    pub(crate) force: bool,
    /// The Cilium version to predict for
    #[arg(long, value_name = "VERSION", default_value_t)]
    pub(crate) cilium: CiliumVersion,
    #[command(flatten)]
    pub(crate) settings: SettingsArguments,
    #[command(flatten)]
    pub(crate) files: FileArguments,
}
