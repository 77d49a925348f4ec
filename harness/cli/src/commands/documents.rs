//! What is written of the command line itself: completions for shells, and manual pages.

use std::path::Path;
use std::process::ExitCode;

use clap_complete::{Shell, generate};

use crate::arguments::command;
use crate::failure::Failure;
use crate::printer::Printer;

/// The name under which shells know the program.
const PROGRAM: &str = "verdikt";

/// Prints the completions of a shell.
pub(crate) fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    generate(shell, &mut command(), PROGRAM, &mut text);
    Printer::data(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a manual page for every command.
pub(crate) fn manual(folder: &Path) -> Result<ExitCode, Failure> {
    clap_mangen::generate_to(command(), folder)
        .map_err(|error| Failure::file("write the manual pages", folder, &error))?;
    Ok(ExitCode::SUCCESS)
}
