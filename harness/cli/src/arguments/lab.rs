//! The words of `verdikt lab`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use verdikt_scenario::flow::FlowVerdict;
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::version::CiliumVersion;

use super::{FileArguments, SettingsArguments};
use crate::situation::SituationRequest;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct LabArguments {
    #[command(subcommand)]
    pub(crate) command: Option<LabCommand>,
    /// A scenario file; a topology file, with or without policies; or manifests: files, folders and `-`, the standard input
    // Not by the name that `verdikt.toml` gives a default to.
    #[arg(id = "subject", value_name = "PATHS")]
    pub(crate) paths: Vec<PathBuf>,
    /// The step of the scenario whose topology and policies are used [default: the last]
    #[arg(long, value_name = "NAME")]
    pub(crate) step: Option<String>,
    /// The Cilium version
    #[arg(long, value_name = "VERSION", default_value_t)]
    pub(crate) cilium: CiliumVersion,
    #[command(flatten)]
    pub(crate) settings: SettingsArguments,
    #[command(flatten)]
    pub(crate) files: FileArguments,
}

impl LabArguments {
    /// What the command asks to be read.
    pub(crate) fn asked(&self) -> SituationRequest<'_> {
        let Self { command: _, paths, step, cilium, settings, files } = self;
        SituationRequest {
            paths,
            title: None,
            context: None,
            step: step.as_deref(),
            settings: settings.file(),
            version: *cilium,
            reach: files.reach(),
            command: "lab",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Run a program of this machine inside a pod or other endpoint of your running lab: it has the endpoint's network, DNS
    /// and policies. Each denial of its traffic is printed to standard error, with the rule. Otherwise nothing changes: the
    /// program runs as you, with your environment, and sees the files and processes of this machine. As root it has the
    /// rights of root in a container: it can read and write every file, ping and capture packets, but cannot change networks,
    /// mounts or the kernel
    Exec(LabExec),
    /// Follow the flows of a running lab, without those of the table's attempts
    Flows(LabFlows),
}

#[derive(Debug, Args)]
pub(crate) struct LabExec {
    /// The lab, by its scenario's name [default: the only running lab]
    #[arg(long, value_name = "NAME")]
    pub(crate) lab: Option<String>,
    /// A port of the endpoint that the program serves itself: the lab stops serving it while the program runs; may be given
    /// more than once
    #[arg(long = "take-port", value_name = "PORT")]
    pub(crate) ports: Vec<u16>,
    /// Become the program, as another process of verdikt asks
    #[arg(long, hide = true)]
    pub(crate) becoming: bool,
    /// The endpoint, as the scenario names it: frontend/frontend
    pub(crate) endpoint: String,
    /// The program and its arguments [default: your shell, with the endpoint in its prompt]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct LabFlows {
    /// The lab, by its scenario's name [default: the only running lab]
    #[arg(long, value_name = "NAME")]
    pub(crate) lab: Option<String>,
    /// Only flows from or to this endpoint, as the scenario names it; may be given more than once
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) endpoint: Vec<String>,
    /// Only flows from or to pods of this namespace; may be given more than once
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Vec<NamespaceName>,
    /// Only flows with this verdict; may be given more than once
    #[arg(long, value_name = "VERDICT")]
    pub(crate) verdict: Vec<VerdictOfFlow>,
    /// Also flows of the table's attempts
    #[arg(long)]
    pub(crate) all: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// A verdict of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerdictOfFlow {
    /// It passed
    Forwarded,
    /// It went to a proxy
    Redirected,
    /// It was dropped, or a proxy refused it
    Dropped,
    /// A policy denies it, and audit mode let it pass
    Audit,
    /// The policy model does not know what Cilium would do
    Error,
}

impl From<VerdictOfFlow> for FlowVerdict {
    fn from(verdict: VerdictOfFlow) -> Self {
        match verdict {
            VerdictOfFlow::Forwarded => Self::Forwarded,
            VerdictOfFlow::Redirected => Self::Redirected,
            VerdictOfFlow::Dropped => Self::Dropped,
            VerdictOfFlow::Audit => Self::Audit,
            VerdictOfFlow::Error => Self::Error,
        }
    }
}
