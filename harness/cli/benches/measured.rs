//! What a process costs, from its start to its end.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::resource::{Usage, UsageWho, getrusage};

/// The first argument of the process that measures one other process: the system counts only processes that ended.
const MEASURE: &str = "--measure";

/// CPU time of all threads, in user space and in the kernel, and the most memory that was resident.
pub(crate) struct Cost {
    pub(crate) microseconds: usize,
    pub(crate) kilobytes: usize,
}

/// Measures what the arguments of this process name, if it was started for that. Returns whether it was.
pub(crate) fn was_measuring(arguments: &[String]) -> Result<bool, Box<dyn Error>> {
    let [first, program, rest @ ..] = arguments else { return Ok(false) };
    if first != MEASURE {
        return Ok(false);
    }
    let status = Command::new(program).args(rest).stdout(Stdio::null()).status()?;
    // Cells that differ are not a failure here.
    if !matches!(status.code(), Some(0 | 1)) {
        return Err(format!("{program} {}: {status}", rest.join(" ")).into());
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |usage: &Usage| {
        let (user, system) = (usage.user_time(), usage.system_time());
        (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec()
    };
    writeln!(std::io::stdout(), "{} {}", seconds(&usage), usage.max_rss())?;
    Ok(true)
}

/// What `verdikt` costs with some arguments in a folder.
pub(crate) fn cost(arguments: &[&str], folder: &Path, stderr: Stdio) -> Result<Cost, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .args([MEASURE, env!("CARGO_BIN_EXE_verdikt")])
        .args(arguments)
        .current_dir(folder)
        .stderr(stderr)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let [microseconds, kilobytes] = text
        .split_whitespace()
        .map(str::parse::<usize>)
        .collect::<Result<Vec<_>, _>>()?
        .try_into()
        .map_err(|_| format!("{}: {text}", arguments.join(" ")))?;
    Ok(Cost { microseconds, kilobytes })
}
