//! The lab on systems without network namespaces, where it cannot run.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use verdikt_runner::plan::{RunOptions, Sink};
use verdikt_scenario::scenario::Scenario;
use verdikt_verdict::run_result::RunResult;

use super::no_lab::no_lab;
use crate::arguments::LabArguments;
use crate::exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::signals::HeldSignals;

/// The reason: this is not Linux.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotLinux;

impl fmt::Display for NotLinux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its pods are network namespaces, which only Linux has")
    }
}

impl Error for NotLinux {}

/// Fails: the lab needs Linux.
pub(crate) fn enter() -> Result<(), NotLinux> {
    Err(NotLinux)
}

/// Fails, as [`enter`] does.
pub(crate) fn run(
    _: &[Scenario],
    _: &RunOptions,
    _: &HeldSignals,
    _: Sink<'_>,
) -> Result<io::Result<RunResult>, Failure> {
    Err(no_lab(&NotLinux))
}

/// Fails, as [`enter`] does.
pub(crate) fn lab(_: &LabArguments, _: &Printer) -> Result<ExitCode, Failure> {
    Err(no_lab(&NotLinux))
}

/// Fails, as [`enter`] does.
pub(crate) fn probe_main(_: Option<IpAddr>, _: Option<Duration>) -> ExitCode {
    Printer::tell("error: the probe runs on Linux only\n");
    ExitCode::from(exit::MACHINE_FAILED)
}
