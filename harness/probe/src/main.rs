//! The agent as a program: orders on standard input, reports on standard output.

use std::process::ExitCode;

fn main() -> ExitCode {
    verdikt_probe::agent::main()
}
