//! `verdikt lab`: runs a topology with its policies until it is interrupted.
//!
//! Programs of this machine can run inside its pods (`exec`), its flows can be followed (`flows`), and changed files are
//! applied when they are saved.

mod clients;
mod denials;
mod exec;
mod flows;
mod playground;
mod running;
mod shell;
mod shown;
mod subject;
mod told;

use std::process::ExitCode;

use crate::arguments::{LabArguments, LabCommand};
use crate::failure::Failure;
use crate::printer::Printer;

pub(crate) fn lab(arguments: &LabArguments, printer: &Printer) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Some(LabCommand::Exec(exec)) => exec::exec(exec, printer),
        Some(LabCommand::Flows(flows)) => flows::flows(flows),
        None if arguments.paths.is_empty() => Err(Failure::wrong("no scenario and no manifest is given").hint(
            "`verdikt lab SCENARIO` or `verdikt lab deploy/` starts a lab; `verdikt lab exec` and `flows` use a running one",
        )),
        None => playground::play(arguments, printer),
    }
}
