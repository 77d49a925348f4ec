//! The `verdikt` binary: words, flags, exit codes. What it does is done below.

mod arguments;
mod commands;
mod exit;
mod failure;
mod files;
mod printer;
mod signals;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Parser as _;
use signal_hook::consts::SIGABRT;
use signal_hook::flag::register_conditional_shutdown;

use crate::arguments::{Arguments, Colour, Command};
use crate::failure::Failure;
use crate::printer::Printer;

/// The command that becomes a pod's probe.
const PROBE: &str = "probe";

fn main() -> ExitCode {
    // A lab starts this for each pod: without the whole command line it begins in half the time.
    if std::env::args_os().skip(1).eq([PROBE]) {
        return verdikt_probe::probe::main(None, None);
    }
    // So ends a program that is given no more memory, after it has said so. That it is not told is no reason to end.
    let failed = exit::MACHINE_FAILED.into();
    let _ = register_conditional_shutdown(SIGABRT, failed, Arc::new(AtomicBool::new(true)));
    std::panic::set_hook(Box::new(|panic| Printer::tell(&format!("{panic}\n{}", backtrace()))));
    let arguments = match Arguments::try_parse() {
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
    let result = match arguments.command {
        Command::Run(run) => commands::run::run(&run, &printer),
        Command::Check(check) => commands::check::check(&check, &printer),
        Command::Explain(explain) => commands::explain::explain(&explain, &printer),
        Command::Replay(replay) => commands::replay::replay(&replay, &printer),
        Command::Lab(lab) => commands::lab::lab(&lab, &printer),
        Command::Clean(clean) => commands::clean::clean(&clean),
        Command::Cluster(cluster) => commands::cluster::cluster(cluster, &printer),
        Command::Images(images) => commands::images::images(&images),
        Command::Schema => commands::schema::schema(),
        Command::Probe { address, patience } => {
            return verdikt_probe::probe::main(address, patience.map(Duration::from_secs));
        }
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}

/// Where a panic comes from, if the environment asks for it.
fn backtrace() -> String {
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured { format!("{backtrace}\n") } else { String::new() }
}
