//! What is written of the command line itself: completions for shells, and manual pages.

use std::path::Path;
use std::process::ExitCode;

use clap_complete::Shell;

use crate::arguments::command;
use crate::completions::print_script;
use crate::failure::Failure;

/// Prints the completions of a shell.
pub(crate) fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    print_script(shell)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a manual page for every command.
pub(crate) fn manual(folder: &Path) -> Result<ExitCode, Failure> {
    clap_mangen::generate_to(command(), folder)
        .map_err(|error| Failure::file("write the manual pages", folder, &error))?;
    Ok(ExitCode::SUCCESS)
}
