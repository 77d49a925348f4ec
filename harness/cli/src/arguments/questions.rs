//! The words of the commands that answer questions without a table.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use verdikt_analysis::render::table::FoldMode;
use verdikt_scenario::version::{CiliumVersion, VersionError};

use super::{FileArguments, SettingsArguments};
use crate::situation::SituationRequest;

/// What a question is about.
#[derive(Debug, Args)]
pub(crate) struct SituationArguments {
    /// A scenario file, or manifests: files, folders and `-`, the standard input
    #[arg(required_unless_present = "context")]
    pub(crate) paths: Vec<PathBuf>,
    /// Read the objects of a cluster, by this context of the kubeconfig, in place of files; this only needs the right to
    /// list them
    #[arg(long, value_name = "CONTEXT", conflicts_with_all = ["paths", "step"])]
    pub(crate) context: Option<String>,
    /// The step of the scenario [default: the last]
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

impl SituationArguments {
    /// What a command asks to be read.
    pub(crate) fn asked(&self, command: &'static str) -> SituationRequest<'_> {
        let Self { paths, context, step, cilium, settings, files } = self;
        SituationRequest {
            paths,
            title: None,
            context: context.as_deref(),
            step: step.as_deref(),
            settings: settings.file(),
            version: *cilium,
            reach: files.reach(),
            command,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct MatrixArguments {
    #[command(flatten)]
    pub(crate) subject: SituationArguments,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: MatrixFormat,
    /// The rows of the table: groups of endpoints with the same answers, or all pods of a namespace; auto takes groups if the
    /// table fits
    #[arg(long, value_name = "ROWS", default_value = "auto")]
    pub(crate) fold: RowKind,
}

/// How a matrix is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MatrixFormat {
    /// A dense table with a letter for each verdict
    Table,
    /// Comma-separated values, a line for each interval of ports that is not denied
    Csv,
    /// JSON
    Json,
    /// A flowchart of Mermaid
    Mermaid,
    /// A graph of Graphviz
    Dot,
    /// An HTML page
    Html,
}

/// What is a row of a table.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RowKind {
    /// Groups where they fit, else namespaces
    Auto,
    /// Endpoints with the same answers
    Groups,
    /// Pods by namespace
    Namespaces,
}

impl From<RowKind> for FoldMode {
    fn from(fold: RowKind) -> Self {
        match fold {
            RowKind::Auto => Self::Auto,
            RowKind::Groups => Self::Groups,
            RowKind::Namespaces => Self::Namespaces,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Who {
    /// The attempt: 'tcp database/redis:6379'
    pub(crate) attempt: String,
    #[command(flatten)]
    pub(crate) subject: SituationArguments,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: AnswerFormat,
}

#[derive(Debug, Args)]
pub(crate) struct ReachArguments {
    /// The source: a pod, a host outside, a node
    pub(crate) source: String,
    #[command(flatten)]
    pub(crate) subject: SituationArguments,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: AnswerFormat,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerFormat {
    /// For people
    Text,
    /// JSON
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// What to compare: BASE and HEAD, each a folder or file of manifests or a scenario; or only one of them, if another option
    /// says what differs
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Compare the paths as they are in a revision of their git repository with the files as they are now, or with those
    /// of another revision: `origin/main`, `v1.2..v1.3`. Only `git` reads the repository; the work tree stays as it is
    #[arg(long, value_name = "REV[..REV]")]
    pub(crate) git: Option<String>,
    /// Given twice: compare two steps of a scenario. Given once: the step of the compared scenarios [default: the last]
    #[arg(long, value_name = "NAME")]
    pub(crate) step: Vec<String>,
    /// The Cilium version, or two of them to compare: 1.18..1.20
    #[arg(long, value_name = "VERSION[..VERSION]", default_value_t)]
    pub(crate) cilium: VersionPair,
    /// What makes the exit code 1; with commas, or given more than once
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: DiffFormat,
    /// What Cilium is configured to do: a file of Helm values, as `helm get values cilium` prints them. Twice: that of BASE
    /// and that of HEAD. With `--git` the file is read as it is in each revision, where it is in the repository
    #[arg(long, value_name = "VALUES")]
    pub(crate) settings: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) files: FileArguments,
}

/// One version of Cilium, or two to compare.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VersionPair {
    pub(crate) base: CiliumVersion,
    pub(crate) head: CiliumVersion,
}

impl VersionPair {
    pub(crate) fn differ(self) -> bool {
        self.base != self.head
    }
}

impl FromStr for VersionPair {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let (base, head) = text.split_once("..").unwrap_or((text, text));
        Ok(Self { base: base.parse()?, head: head.parse()? })
    }
}

impl fmt::Display for VersionPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head.fmt(f)
    }
}

/// What makes a diff fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Traffic that was denied, and passes
    Opened,
    /// Traffic that passed, and is denied
    Closed,
    /// Traffic that passed, and is judged by a proxy
    Proxied,
    /// Traffic that was judged by a proxy, and passes
    Unproxied,
    /// Traffic that is judged by a proxy under other rules
    ProxyRules,
    /// Traffic for which the policy model has no answer
    Unknown,
    /// Endpoints that become isolated, or cease to be
    Isolation,
    /// Objects that are refused
    Refused,
    /// All of these
    Any,
}

/// How a diff is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// For people
    Text,
    /// For the comment on a pull request
    Markdown,
    /// JSON
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}
