//! The `verdikt` binary: words, flags, exit codes. What it does is done below.

mod arguments;
mod commands;
mod exit;
mod failure;
mod printer;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::printer::Printer;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let printer = Printer::new(arguments.colour);
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
        Command::Agent { address, patience } => {
            return verdikt_probe::agent::main(address, patience.map(Duration::from_secs));
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
