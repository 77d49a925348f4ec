//! `verdikt lab exec`: runs a program inside an endpoint of a running lab, and prints what policies deny to it.
//!
//! It takes two processes: one becomes the program, because only a single-threaded process can enter the lab's user
//! namespace. The other one waits for it, follows the flows, and exits with its exit code.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};
use verdikt_lab::control::{EndpointEntry, LabAnswer, LabRequest, RunningLab};
use verdikt_lab::exec::{EndpointExecError, ProgramInside, end_with_parent, run_inside};

use super::denials::PrintedDenials;
use super::running::{find, gone};
use super::shell::Shell;
use crate::arguments::LabExec;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::runtime::runtime;
use crate::signals;

/// The timeout for the last flows of a program that has ended.
const LAST_FLOWS: Duration = Duration::from_secs(5);
/// The exit code of a program that a signal ended, as shells have it: this plus the number of the signal.
const BY_SIGNAL: i32 = 128;

pub(super) fn exec(arguments: &LabExec, printer: &Printer) -> Result<ExitCode, Failure> {
    let lab = find(arguments.lab.as_deref())?;
    if arguments.becoming {
        return become_program(&lab, arguments);
    }
    // The ports are reserved while this connection is open.
    let (_ports, _) = inside(&lab, &arguments.endpoint, &arguments.ports)?;
    let followed = follow(&lab, &arguments.endpoint, printer)?;
    let failed = |error: &dyn std::fmt::Display| Failure::machine("cannot run the program").cause(error);
    let held = signals::hold();
    end_with_parent().map_err(|error| failed(&error))?;
    let status = runtime()?.block_on(run(&lab, arguments)).map_err(|error| failed(&error))?;
    followed.finish();
    drop(held);
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)))
}

/// Runs the program to its end, and forwards signals to it.
async fn run(lab: &RunningLab, arguments: &LabExec) -> io::Result<ExitStatus> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("verdikt").args(["lab", "exec", "--becoming", "--lab", &lab.scenario]);
    command.arg(&arguments.endpoint).arg("--");
    if arguments.program.is_empty() {
        Shell::of_user().prepare(&mut command, &arguments.endpoint);
    } else {
        command.args(&arguments.program);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut child = command.spawn()?;
    let pid = Pid::from_raw(child.id().cast_signed());
    let mut waiting = tokio::task::spawn_blocking(move || child.wait());
    loop {
        let asked = tokio::select! {
            ended = &mut waiting => return ended.map_err(io::Error::other)?,
            _ = terminate.recv() => Signal::SIGTERM,
            _ = hang_up.recv() => Signal::SIGHUP,
            // A terminal sends the interrupt to the program itself.
            _ = interrupt.recv() => if io::stdin().is_terminal() { continue } else { Signal::SIGINT },
        };
        // One that has ended needs no signal.
        let _ = kill(pid, asked);
    }
}

/// Asks the lab how to enter an endpoint. Returns the connection that reserves the ports, and the answer.
fn inside(
    lab: &RunningLab,
    endpoint: &str,
    ports: &[u16],
) -> Result<(BufReader<UnixStream>, EndpointEntry), Failure> {
    let ask = LabRequest::Inside { endpoint: endpoint.to_owned(), ports: ports.to_vec() };
    let mut line = String::new();
    let mut answers = lab.ask(&ask).map_err(|error| gone(&error))?;
    answers.read_line(&mut line).map_err(|error| gone(&error))?;
    match LabAnswer::from_line(&line) {
        Ok(LabAnswer::Inside(inside)) => Ok((answers, inside)),
        Ok(LabAnswer::Refused(refusal)) => Err(Failure::wrong(refusal.refused)),
        Ok(LabAnswer::Following(_) | LabAnswer::Flow(_)) | Err(_) => Err(other_version()),
    }
}

fn other_version() -> Failure {
    Failure::machine("the lab is of another version of verdikt")
}

/// A thread that prints denied flows while a program runs.
struct DenialPrinter {
    writes: UnixStream,
    told: Receiver<()>,
}

/// Follows the flows of a lab, and prints those of an endpoint that policies stop.
fn follow(lab: &RunningLab, endpoint: &str, printer: &Printer) -> Result<DenialPrinter, Failure> {
    let mut answers = lab.ask(&LabRequest::Flows).map_err(|error| gone(&error))?;
    let writes = answers.get_ref().try_clone().map_err(|error| gone(&error))?;
    let mut line = String::new();
    // All flows after this line arrive.
    answers.read_line(&mut line).map_err(|error| gone(&error))?;
    let Ok(LabAnswer::Following(_)) = LabAnswer::from_line(&line) else { return Err(other_version()) };
    let mut denials = PrintedDenials::of(endpoint, printer);
    let (tells, told) = channel();
    std::thread::spawn(move || {
        // The flows end with the lab.
        for line in answers.lines().map_while(Result::ok) {
            if let Ok(LabAnswer::Flow(flow)) = LabAnswer::from_line(&line) {
                denials.tell(&flow);
            }
        }
        // The receiver is gone only after a timeout.
        let _ = tells.send(());
    });
    Ok(DenialPrinter { writes, told })
}

impl DenialPrinter {
    /// Prints the flows that are left after the program has ended.
    fn finish(self) {
        // A lab that has ended sends nothing more.
        if self.writes.shutdown(Shutdown::Write).is_ok() {
            let _ = self.told.recv_timeout(LAST_FLOWS);
        }
    }
}

/// Becomes the program.
fn become_program(lab: &RunningLab, arguments: &LabExec) -> Result<ExitCode, Failure> {
    let (_, inside) = inside(lab, &arguments.endpoint, &[])?;
    let [program, rest @ ..] = arguments.program.as_slice() else {
        return Err(Failure::wrong("no program is given: name one after `--`"));
    };
    let failed = run_inside(ProgramInside {
        lab: lab.pid,
        probe: inside.thread,
        resolv_conf: inside.resolv_conf,
        hosts: inside.hosts,
        hostname: inside.hostname,
        program: program.clone(),
        arguments: rest.to_vec(),
    });
    match failed {
        Ok(never) => match never {},
        Err(error @ EndpointExecError::NotFound { .. }) => Err(Failure::wrong(error.to_string())),
        Err(error) => Err(Failure::from_error(&error)),
    }
}
