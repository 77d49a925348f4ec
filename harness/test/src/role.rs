//! The second role of a test program: started again, it is the lab of one file.
//!
//! A process can enter a user namespace only while it has a single thread, but in the usual test harness `main`
//! starts threads before the first test. So a constructor checks the command line before `main`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::SIGPIPE;
use signal_hook::flag::register;
use verdikt_lab::enter::enter;
use verdikt_manifests::loader;
use verdikt_runner::backend::reason;
use verdikt_scenario::loader::FileReach;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::Event;

use crate::events;

/// The first argument of the lab process. No harness has such an argument.
const LAB: &str = "verdikt-test=lab";
/// The exit code of the lab process if a lab cannot run here.
const NO_LAB: i32 = 64;
/// Its exit code after an error.
const FAILED: i32 = 65;

ctor::declarative::ctor! {
    #[ctor(unsafe)]
    fn before_main() {
        let arguments = arguments();
        let code = match arguments.get(1).and_then(|argument| argument.to_str()) {
            Some(LAB) => {
                keep_broken_pipes();
                lab_of_file(&arguments[2..])
            }
            _ => return,
        };
        std::process::exit(code);
    }
}

/// The command line. Only with some C libraries does `std` know it before `main`.
fn arguments() -> Vec<OsString> {
    let Ok(line) = fs::read("/proc/self/cmdline") else { return Vec::new() };
    line.split(|byte| *byte == 0).map(|argument| OsString::from_vec(argument.to_vec())).collect()
}

/// Makes writing to a closed pipe an error, as `std` does in `main`.
fn keep_broken_pipes() {
    // Otherwise the process would end, and its parent would report that.
    let _ = register(SIGPIPE, Arc::new(AtomicBool::new(false)));
}

/// The result of the lab of a file.
pub(crate) enum LabRun {
    Events(Vec<Event>),
    /// A lab cannot run here, for this reason.
    Impossible(String),
    Failed(String),
}

/// Runs the scenarios of a file in a lab, in a process of its own.
pub(crate) fn run_in_lab(file: &Path, version: CiliumVersion) -> LabRun {
    let failed = |error: &dyn std::error::Error| LabRun::Failed(reason(error));
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return failed(&error),
    };
    let mut command = Command::new(program);
    command.arg(LAB).arg(file).arg(version.to_string());
    let ended = match command.stdin(Stdio::null()).output() {
        Ok(ended) => ended,
        Err(error) => return failed(&error),
    };
    let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
    match ended.status.code() {
        Some(0) => {
            let lines = String::from_utf8_lossy(&ended.stdout);
            match lines.lines().map(Event::from_line).collect() {
                Ok(events) => LabRun::Events(events),
                Err(error) => LabRun::Failed(error.to_string()),
            }
        }
        Some(NO_LAB) => LabRun::Impossible(said),
        _ => LabRun::Failed(format!("the process of the lab ended with {}: {said}", ended.status)),
    }
}

/// Runs the lab of a file, and writes its events to the standard output.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the process that started this one reads both")]
fn lab_of_file(arguments: &[OsString]) -> i32 {
    let version = arguments.get(1).and_then(|version| version.to_str()?.parse().ok());
    let (Some(file), Some(version)) = (arguments.first().map(PathBuf::from), version) else {
        return FAILED;
    };
    if let Err(obstacle) = enter() {
        eprintln!("{}", reason(&obstacle));
        return NO_LAB;
    }
    let files = [file];
    for scenario in loader(&files, FileReach::Inside).scenarios(&files).scenarios {
        let lines = events::of_lab(&scenario, version).map_err(|error| reason(&error)).and_then(|events| {
            events.iter().map(|event| event.to_line().map_err(|error| error.to_string())).collect()
        });
        match lines {
            Ok::<Vec<String>, String>(lines) => lines.iter().for_each(|line| println!("{line}")),
            Err(reason) => {
                eprintln!("{reason}");
                return FAILED;
            }
        }
    }
    0
}
