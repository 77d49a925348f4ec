//! The `verdikt` binary: words, flags, exit codes. What it does is done below.

// The system's allocator is in use. mimalloc takes a fifth of the CPU time off large runs of the model (489,300 cells: 4.4 s
// and 437 MB become 3.5 s and 400 MB) and nothing off runs of the set, and costs every pod of a lab 0.3 MB and a quarter more
// at its start.

#![cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, unused_imports, reason = "the lab alone uses it, and the lab lives in Linux")
)]

mod arguments;
mod cell_completion;
mod cluster_use;
mod commands;
mod completions;
mod config;
mod exit;
mod failure;
mod files;
mod git;
mod kind_use;
mod lab_use;
mod live;
mod logging;
mod printer;
mod reports;
mod runtime;
mod shell;
mod signals;
mod situation;
mod version;
mod warning_pages;
mod watch;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::FromArgMatches as _;
use verdikt_platform::abort::say_on_abort;
use verdikt_platform::limit::Limit;

use crate::arguments::{Arguments, Command};
use crate::config::Config;
use crate::failure::Failure;
use crate::printer::{Colour, Printer};

/// The name of the program as a plugin of kubectl.
const PLUGIN: &str = "kubectl-verdikt";

fn main() -> ExitCode {
    if completions::answer() {
        return ExitCode::SUCCESS;
    }
    // So ends a program that is given no more memory. That it is not told is not a reason to end.
    let _ = say_on_abort(&format!("error: cannot go on: {}", Limit::of_memory()), exit::MACHINE_FAILED);
    std::panic::set_hook(Box::new(report_panic));
    let config = match Config::read() {
        Ok(config) => config,
        Err(failure) => {
            Printer::new(Colour::Auto).failure(&failure);
            return ExitCode::from(failure.code);
        }
    };
    let arguments = match parse(config) {
        Ok(arguments) => arguments,
        Err(answer) => {
            Printer::new(Colour::Auto).command_line(&answer);
            return ExitCode::from(if answer.use_stderr() { exit::WRONG_INPUT } else { exit::AS_EXPECTED });
        }
    };
    let printer = Printer::new(arguments.colour);
    if !matches!(arguments.command, Command::Probe { .. })
        && let Err(error) = signals::install()
    {
        printer.failure(&Failure::machine("cannot listen to signals").cause(&error));
        return ExitCode::from(exit::MACHINE_FAILED);
    }
    if let Err(failure) = logging::start(&arguments.logging, evidence_folder(&arguments.command), &printer) {
        printer.failure(&failure);
        return ExitCode::from(failure.code);
    }
    match obey(arguments.command, &printer) {
        Ok(code) => code,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}

/// The folder in which a run keeps its evidence.
fn evidence_folder(command: &Command) -> Option<&Path> {
    match command {
        Command::Run(run) => run.evidence.as_deref(),
        _ => None,
    }
}

/// Does what the command says.
fn obey(command: Command, printer: &Printer) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(run) => commands::run::run(&run, printer),
        Command::Check(check) => commands::check::check(&check, printer),
        Command::Init(init) => commands::init::init(&init, printer),
        Command::Explain(explain) => commands::explain::explain(&explain, printer),
        Command::Matrix(matrix) => commands::matrix::matrix(&matrix, printer),
        Command::Who(who) => commands::questions::who(&who, printer),
        Command::Reach(reach) => commands::questions::reach(&reach, printer),
        Command::Diff(diff) => commands::diff::diff(&diff, printer),
        Command::Replay(replay) => commands::replay::replay(&replay, printer),
        Command::Lab(lab) => commands::lab::lab(&lab, printer),
        Command::Clean(clean) => commands::clean::clean(&clean),
        Command::Cluster(cluster) => commands::cluster::cluster(cluster, printer),
        Command::Images(images) => commands::images::images(&images),
        Command::Schema(schema) => commands::schema::schema(&schema),
        Command::ExplainWarning { code } => commands::explain_warning::explain_warning(&code),
        Command::Completions { shell } => commands::documents::completions(shell),
        Command::Man { folder } => commands::documents::manual(&folder),
        Command::Probe { address, patience } => {
            Ok(lab_use::probe_main(address, patience.map(Duration::from_secs)))
        }
    }
}

/// The command line, with the defaults of `verdikt.toml`. As a plugin the program is called `kubectl verdikt`, and says so.
fn parse(config: Config) -> Result<Arguments, clap::Error> {
    let program = std::env::args_os().next().map(PathBuf::from);
    let is_plugin = program.as_deref().and_then(Path::file_stem).is_some_and(|name| name == PLUGIN);
    let mut command = config.defaults_of(arguments::command());
    if is_plugin {
        command = command.bin_name("kubectl verdikt");
    }
    Arguments::from_arg_matches(&command.try_get_matches()?)
}

/// Prints a panic, which is a bug, and ends the process: the abort that follows in a release would be reported as one for want
/// of memory.
fn report_panic(panic: &PanicHookInfo<'_>) {
    Printer::tell(&format!("{panic}\n{}", backtrace()));
    std::process::exit(exit::MACHINE_FAILED.into());
}

/// Where a panic comes from, if the environment asks for it.
fn backtrace() -> String {
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured { format!("{backtrace}\n") } else { String::new() }
}
