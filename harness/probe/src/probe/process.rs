//! The probe as its own process.

use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use tokio::net::unix::pipe;
use tokio::runtime;

use crate::failure;
use crate::socket::HomeAddress;

/// Follows the orders on standard input and reports to standard output, until standard input ends or the thread that
/// started the process ends. In a container only the former counts: that thread has ended before.
///
/// Fails if a stream fails, with a message on standard error.
///
/// A probe with an address uses no other: its servers listen there, and its attempts are sent from there, so that several
/// probes can share a machine. A probe with patience ends if no first order arrives within that time.
pub fn main(address: Option<IpAddr>, patience: Option<Duration>) -> ExitCode {
    match follow(HomeAddress::at(address), patience) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader is gone, so nobody needs the reports.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "verdikt-probe: {}", failure::words(&error));
            ExitCode::FAILURE
        }
    }
}

fn follow(home: HomeAddress, patience: Option<Duration>) -> io::Result<()> {
    // A parent outside the PID namespace (number 0) is a container runtime, which exits after it has started the process.
    if getppid().as_raw() != 0 {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
    }
    allow_many_sockets()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let followed = runtime.block_on(over_standard_streams(home, patience));
    // A pending read of a terminal cannot be cancelled.
    runtime.shutdown_background();
    followed
}

/// Raises the limit of open files to its maximum, because each attempt in flight has one.
fn allow_many_sockets() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// Runs over standard input and output. Pipes are polled; other streams need a thread.
async fn over_standard_streams(home: HomeAddress, patience: Option<Duration>) -> io::Result<()> {
    let (input, output) = (io::stdin(), io::stdout());
    let input = pipe::Receiver::from_owned_fd(input.as_fd().try_clone_to_owned()?);
    let output = pipe::Sender::from_owned_fd(output.as_fd().try_clone_to_owned()?);
    match (input, output) {
        (Ok(input), Ok(output)) => super::run_at(home, patience, input, output).await,
        (Ok(input), Err(_)) => super::run_at(home, patience, input, tokio::io::stdout()).await,
        (Err(_), Ok(output)) => super::run_at(home, patience, tokio::io::stdin(), output).await,
        (Err(_), Err(_)) => super::run_at(home, patience, tokio::io::stdin(), tokio::io::stdout()).await,
    }
}
