//! Runs scenarios on clusters, by the program `verdikt`: what a cluster needs stays out of test programs.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::Event;

/// The variable that names the program.
const PROGRAM: &str = "VERDIKT_PROGRAM";

/// One run on a cluster at a time: a Lease of the cluster would keep two apart anyway.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Why there are no events.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error("cannot start {program}; install verdikt, or name the program in {PROGRAM}")]
    Start {
        program: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot read the event log of the run on {on}: {said}")]
    Log {
        on: String,
        said: String,
        #[source]
        source: io::Error,
    },
    #[error("the run on {on} broke off: {said}")]
    BrokeOff { on: String, said: String },
}

/// The program and its first arguments: the one given, the one the environment names, or the installed one.
pub(crate) fn program(given: &[OsString]) -> Vec<OsString> {
    match (given, env::var_os(PROGRAM)) {
        ([], Some(named)) => vec![named],
        ([], None) => vec!["verdikt".into()],
        (given, _) => given.to_vec(),
    }
}

/// The events of a run of all scenarios of these files.
pub(crate) fn events(
    program: &[OsString],
    on: &str,
    version: Option<CiliumVersion>,
    files: &[PathBuf],
) -> Result<Vec<Event>, ProgramError> {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let no_log = |source: io::Error, said: &str| ProgramError::Log {
        on: on.to_owned(),
        said: said.to_owned(),
        source,
    };
    let folder = tempfile::tempdir().map_err(|error| no_log(error, "there is no folder for it"))?;
    let log = folder.path().join("events.jsonl");
    let (first, rest) = program.split_first().unwrap_or_else(|| unreachable!("a program has a name"));
    let mut command = Command::new(first);
    command.args(rest).args(["run", "--quiet", "--on", on, "--events"]).arg(&log);
    if let Some(version) = version {
        command.args(["--cilium", &version.to_string()]);
    }
    // Nobody is asked in a test: VERDIKT_YES and VERDIKT_CLUSTERWIDE say what may be used.
    command.arg("--").args(files).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let ended = command.output().map_err(|source| {
        let program = first.to_string_lossy().into_owned();
        ProgramError::Start { program, source }
    })?;
    let said = format!("{}: {}", ended.status, String::from_utf8_lossy(&ended.stderr).trim());
    let text = std::fs::read_to_string(&log).map_err(|error| no_log(error, &said))?;
    // The last line of a run that was killed may be cut off.
    let events: Vec<Event> = text.lines().map_while(|line| Event::from_line(line).ok()).collect();
    match events.last() {
        Some(Event::RunFinished(_)) => Ok(events),
        _ => Err(ProgramError::BrokeOff { on: on.to_owned(), said }),
    }
}
