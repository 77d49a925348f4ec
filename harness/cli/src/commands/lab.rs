//! `verdikt lab`: keeps a topology up, with its policies in force, until it is interrupted.
//!
//! Programs of this machine run inside its pods (`exec`), its flows can be followed (`flows`), and policy files are
//! put in force again when they are saved.

mod exec;
mod flows;
mod playground;
mod running;
mod told;
pub(super) mod watch;

use std::process::ExitCode;

use crate::arguments::{LabArguments, LabCommand};
use crate::failure::Failure;
use crate::printer::Printer;

pub(crate) fn lab(arguments: &LabArguments, printer: &Printer) -> Result<ExitCode, Failure> {
    match (&arguments.command, &arguments.scenario) {
        (Some(LabCommand::Exec(exec)), _) => exec::exec(exec),
        (Some(LabCommand::Flows(flows)), _) => flows::flows(flows),
        (None, Some(scenario)) => playground::play(arguments, scenario, printer),
        (None, None) => Err(Failure::wrong("no scenario is given")
            .hint("`verdikt lab SCENARIO` starts a lab; `verdikt lab exec` and `flows` use a running one")),
    }
}
