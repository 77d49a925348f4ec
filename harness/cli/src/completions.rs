//! What shells complete: commands, flags, paths, and the names of cells.
//!
//! The script of a shell starts this program with [`VARIABLE`] for each word that is completed, and the words behind `--`.

use clap_complete::Shell;
use clap_complete::env::{EnvCompleter, Shells};

use crate::arguments::command;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shell::VARIABLE;

/// The name of the program in shells.
const PROGRAM: &str = "verdikt";

/// Answers a shell that asks for completions. Returns whether one asked.
pub(crate) fn answer() -> bool {
    let Some(shell) = std::env::var(VARIABLE).ok() else { return false };
    let shells = Shells::builtins();
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let mut text = Vec::new();
    let folder = std::env::current_dir().ok();
    let answered = shells.completer(&shell).is_some_and(|shell| {
        shell.write_complete(&mut command(), words, folder.as_deref(), &mut text).is_ok()
    });
    if answered {
        Printer::shell(&text);
    }
    true
}

/// Prints the script that a shell sources.
pub(crate) fn print_script(shell: Shell) -> Result<(), Failure> {
    let shells = Shells::builtins();
    let failed = || Failure::machine(format!("there are no completions for {shell}"));
    let completer: &dyn EnvCompleter = shells.completer(&shell.to_string()).ok_or_else(failed)?;
    let mut text = Vec::new();
    completer
        .write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut text)
        .map_err(|error| failed().cause(&error))?;
    Printer::data(&String::from_utf8_lossy(&text))
}
