//! The command line.

mod backend;
mod cluster;
mod duration;
mod help;
mod init;
mod lab;
mod logging;
pub(crate) mod questions;
mod reports;
mod settings;

use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, PossibleValuesParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::{ArgValueCandidates, ArgValueCompleter};
use verdikt_report::terminal::Detail;
use verdikt_runner::filter::Filter;
use verdikt_runner::shard::Shard;
use verdikt_scenario::loader::FileReach;
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::version::CiliumVersion;

use crate::printer::Colour;
use crate::{cell_completion, exit, version, warning_pages};
pub(crate) use backend::BackendArgument;
use cluster::borrowable;
pub(crate) use cluster::{
    Clean, ClusterArguments, ClusterCommand, ClusterUp, ImagesArguments, WorldArguments,
};
use duration::duration;
pub(crate) use help::command;
pub(crate) use init::Init;
pub(crate) use lab::{LabArguments, LabCommand, LabExec, LabFlows};
pub(crate) use logging::{LogFormat, Logging};
pub(crate) use reports::{ReportFile, Reports};
pub(crate) use settings::SettingsArguments;

/// Tells whether network policies do what their authors think.
#[derive(Debug, Parser)]
#[command(name = "verdikt", version, long_version = version::long(), about, max_term_width = 100, after_help = exit::table())]
pub(crate) struct Arguments {
    /// When to use colours
    #[arg(
        long = "color",
        visible_alias = "colour",
        global = true,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub(crate) colour: Colour,
    #[command(flatten)]
    pub(crate) logging: Logging,
    #[command(subcommand)]
    pub(crate) command: Command,
}

fn help_of_cilium() -> String {
    let (all, newest) = (CiliumVersion::all_named(), CiliumVersion::default());
    format!("The Cilium version to predict for: {all} [default: {newest}, or that of the cluster]")
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Evaluate scenarios: each step's table, expected against predicted, with the rule behind every verdict
    Run(RunArguments),
    /// Check scenarios and policies without evaluating tables, and warn of policies that are almost surely wrong
    Check(CheckArguments),
    /// Write a first scenario from Kubernetes manifests, with the table that the policy model predicts
    Init(Init),
    /// Explain why an attempt is allowed or denied
    Explain(ExplainArguments),
    /// Show who reaches what: every endpoint against every other, on every port
    Matrix(questions::MatrixArguments),
    /// Show which sources are allowed to make an attempt, and by which rules
    Who(questions::Who),
    /// Show what a source reaches, and by which rules
    Reach(questions::ReachArguments),
    /// Compare two sets of policies: traffic that is opened or closed, endpoints that become isolated, objects that are refused
    Diff(questions::DiffArguments),
    /// Render the reports of an earlier run from its event log
    Replay(Replay),
    /// Start a lab with the pods of a scenario or of manifests, to run programs inside them and to change policies
    Lab(LabArguments),
    /// Bring kind clusters with Cilium up and down, each from a profile
    Cluster(ClusterArguments),
    /// Remove what runs left behind in a cluster
    Clean(Clean),
    /// List every container image that the profiles need
    Images(ImagesArguments),
    /// Print the JSON Schema of scenario files, or of the event log
    Schema(SchemaArguments),
    /// Explain what a warning of `check` means, and what to write instead
    ExplainWarning {
        /// The code, as the warning has it in brackets
        #[arg(value_parser = PossibleValuesParser::new(warning_pages::codes()))]
        code: String,
    },
    /// Print the completions of a shell
    #[command(after_help = "Example: source <(verdikt completions bash)")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write a manual page for every command into a folder
    #[command(hide = true)]
    Man {
        /// The folder
        folder: PathBuf,
    },
    /// Serve and attempt as told on the standard input
    #[command(hide = true)]
    Probe {
        /// Where it lives, if it shares its machine with others
        #[arg(long)]
        address: Option<std::net::IpAddr>,
        /// After how many seconds without a first order it ends
        #[arg(long)]
        patience: Option<u64>,
    },
}

/// Parses how many scenarios run at the same time.
fn at_least_one(text: &str) -> Result<NonZeroU8, String> {
    text.parse().map_err(|_| format!("expected a number from 1 to {}", u8::MAX))
}

/// What the schema describes.
#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// The lines of the event log that `run --events FILE` writes, in place of scenario files
    #[arg(long)]
    pub(crate) events: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct RunArguments {
    /// Scenario files and folders; `-` is the standard input [default: scenarios/]
    pub(crate) paths: Vec<PathBuf>,
    /// Where the steps run: lab (real sockets in network namespaces of this machine), model (the policy model alone),
    /// kind[:PROFILE] (a kind cluster, which is created if needed) or cluster[:CONTEXT] (any cluster with Cilium)
    /// [default: lab, or model where the lab cannot run]
    #[arg(long, value_name = "BACKEND", add = ArgValueCandidates::new(backend::candidates))]
    pub(crate) on: Option<BackendArgument>,
    /// The registry from which the nodes of a cluster pull the image of the probe; see `verdikt images --probe`
    #[arg(long, value_name = "HOST")]
    pub(crate) registry: Option<String>,
    #[command(flatten)]
    pub(crate) world: WorldArguments,
    /// An existing namespace of a cluster to use: its pods and services that the scenarios name are used as they are, with an
    /// ephemeral container in each such pod; may be given more than once
    #[arg(long, value_name = "NAMESPACE", value_parser = borrowable)]
    pub(crate) borrow: Vec<NamespaceName>,
    /// Run scenarios with clusterwide policies on a cluster too: these apply to every pod there while their steps last. The
    /// pods that they select outside the scenario are listed first. Clusters of `--on kind` do not need this
    #[arg(long, env = "VERDIKT_CLUSTERWIDE", value_parser = FalseyValueParser::new())]
    pub(crate) clusterwide: bool,
    /// Use a cluster that is not a kind cluster without asking
    #[arg(long, env = "VERDIKT_YES", value_parser = FalseyValueParser::new())]
    pub(crate) yes: bool,
    /// Save the log of the run there, and from a cluster the objects, endpoint states and agent logs of every step that is
    /// not as expected
    #[arg(long, value_name = "FOLDER")]
    pub(crate) evidence: Option<PathBuf>,
    /// Keep everything that the run creates in a cluster; `verdikt clean` removes it
    #[arg(long)]
    pub(crate) keep: bool,
    /// How many scenarios run at the same time; on a cluster, only those that do not conflict [default: 4; on a cluster, as
    /// many as its smallest node can run: 4 for each core, and one for every 12 pods]
    #[arg(long, value_name = "NUMBER", value_parser = at_least_one)]
    pub(crate) parallel: Option<NonZeroU8>,
    /// The timeout of a connection, query or request: `500ms`, `3s`, `2m`
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[arg(long, value_name = "VERSION", help = help_of_cilium())]
    pub(crate) cilium: Option<CiliumVersion>,
    /// Only cells whose name `scenario/step/attempt/source` contains this text, or matches it if it has stars; may be given
    /// more than once
    #[arg(long, value_name = "TEXT", add = ArgValueCompleter::new(cell_completion::complete))]
    pub(crate) filter: Vec<Filter>,
    /// Only the cells that were not as expected in the last run from this folder
    #[arg(long, conflicts_with = "filter")]
    pub(crate) failed: bool,
    /// Run again whenever a file is saved, but only the scenarios that use it
    #[arg(long, conflicts_with_all = ["list", "reports", "events", "update"])]
    pub(crate) watch: bool,
    /// Only one part of the scenarios, to divide them among several machines: 2/5 is the second of five
    #[arg(long, value_name = "PART/PARTS")]
    pub(crate) shard: Option<Shard>,
    /// Only list the names of the cells
    #[arg(long)]
    pub(crate) list: bool,
    /// Exit with 1 if there is a warning
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// Rewrite the cells that differ in place, so that the tables have the actual verdicts: all of them, or those chosen one
    /// by one (`--update=review`). Nothing else in the files changes
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    pub(crate) update: Option<UpdateMode>,
    /// With `--update`: write nothing, list what would be rewritten, and exit with 1 if anything would be
    #[arg(long, requires = "update")]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) files: FileArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// Write the event log as the run goes on, one JSON object a line. If FILE exists, it is replaced when the run has ended;
    /// until then the log is in FILE.part
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
}

/// Which cells `--update` rewrites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UpdateMode {
    /// All that differ.
    All,
    /// Those that are chosen at the terminal, one by one.
    Review,
}

/// Which files may be read.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct FileArguments {
    /// Allow scenarios and links to name files outside the given paths and their git repositories
    #[arg(long)]
    allow_outside: bool,
}

impl FileArguments {
    pub(crate) fn reach(self) -> FileReach {
        if self.allow_outside { FileReach::Anywhere } else { FileReach::Inside }
    }
}

/// How results are shown.
#[derive(Debug, Args)]
pub(crate) struct OutputArguments {
    /// Print only what is not as expected, without tables
    #[arg(long, short, conflicts_with = "tables")]
    pub(crate) quiet: bool,
    /// Print the table of every step, not only of those that are not as expected
    #[arg(long)]
    pub(crate) tables: bool,
    #[command(flatten)]
    pub(crate) reports: Reports,
}

impl OutputArguments {
    pub(crate) fn detail(&self) -> Detail {
        match (self.quiet, self.tables) {
            (true, _) => Detail::Differences,
            (false, true) => Detail::Tables,
            (false, false) => Detail::Short,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Scenarios, policy files and folders of both; `-` is the standard input [default: scenarios/]
    pub(crate) paths: Vec<PathBuf>,
    /// The Cilium version
    #[arg(long, value_name = "VERSION", default_value_t)]
    pub(crate) cilium: CiliumVersion,
    /// Exit with 1 if there is a warning
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) reports: Reports,
    #[command(flatten)]
    pub(crate) settings: SettingsArguments,
    #[command(flatten)]
    pub(crate) files: FileArguments,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON document, on the standard output
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The scenario file
    pub(crate) scenario: PathBuf,
    /// The step [default: the last]
    #[arg(long, value_name = "NAME")]
    pub(crate) step: Option<String>,
    /// The source [default: every source of the attempt]
    #[arg(long, value_name = "SOURCE")]
    pub(crate) from: Option<String>,
    /// The attempt, of the step's table or any other: 'tcp database/redis:6379' [default: every one of the table]
    #[arg(long, value_name = "ATTEMPT")]
    pub(crate) attempt: Option<String>,
    /// Policy files and folders in place of the step's own
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) policies: Vec<PathBuf>,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
    /// The Cilium version
    #[arg(long, value_name = "VERSION", default_value_t)]
    pub(crate) cilium: CiliumVersion,
    #[command(flatten)]
    pub(crate) files: FileArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// An event log that `run --events` wrote
    pub(crate) log: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
