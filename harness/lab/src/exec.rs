//! Runs a program of this machine inside an endpoint: in its network, with its resolver and its host name.
//!
//! The calling process becomes the program, so that terminal, directory, environment and exit code are those of the
//! shell. Files of `/etc` are replaced in a mount namespace of its own. The program has the files and processes of
//! its user, and the rights that root has in a container.

mod files;
mod rights;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::sethostname;

/// Network settings for the convenience of programs, and their values.
/// <https://docs.kernel.org/networking/ip-sysctl.html>
const COMFORTS: [(&str, &str); 2] = [
    // Denied packets get no answer: connecting fails after 7 s instead of two minutes.
    ("/proc/sys/net/ipv4/tcp_syn_retries", "2"),
    // Servers on low ports.
    ("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"),
];

/// The program to run, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramInside {
    /// The process of the lab.
    pub lab: u32,
    /// The lab's thread in the endpoint's network: its probe.
    pub probe: u32,
    /// The content of `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// The content of `/etc/hosts`.
    pub hosts: String,
    /// The host's name.
    pub hostname: String,
    /// The program: a path, or a name to look up in `PATH`.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Why a program cannot run inside an endpoint.
#[derive(Debug, thiserror::Error)]
pub enum EndpointExecError {
    /// The endpoint's probe has ended.
    #[error("the endpoint is gone: its probe, thread {probe} of the lab, has ended")]
    Gone {
        /// The probe's thread.
        probe: u32,
    },
    /// The thread has no network namespace of its own.
    #[error("thread {probe} of the lab, process {lab}, is not an endpoint")]
    NoEndpoint {
        /// The thread that should be the endpoint's probe.
        probe: u32,
        /// The lab's.
        lab: u32,
    },
    /// The lab belongs to another user.
    #[error("the lab belongs to another user; run this as the user who runs the lab")]
    Foreign,
    /// A step on the way into the endpoint failed.
    #[error("cannot {what}")]
    Enter {
        /// What cannot be done.
        what: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The program does not exist.
    #[error("there is no program `{}` on this machine", program.display())]
    NotFound {
        /// The program.
        program: OsString,
    },
    /// The program cannot be started.
    #[error("the program `{}` cannot be started", program.display())]
    NotStarted {
        /// The program.
        program: OsString,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// Ends this process when the one that started it ends.
pub fn end_with_parent() -> io::Result<()> {
    Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)
}

/// Becomes the program. Returns only if that fails, and the process must end then. Must be called while the process
/// has a single thread: the kernel lets no other enter a user namespace.
pub fn run_inside(inside: ProgramInside) -> Result<Infallible, EndpointExecError> {
    let failed = |what| move |source: nix::Error| EndpointExecError::Enter { what, source: source.into() };
    enter(inside.lab, inside.probe)?;
    for (setting, value) in COMFORTS {
        // If it cannot be set, the program runs without it.
        let _ = fs::write(setting, value);
    }
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)
        .map_err(failed("have files and a name of its own"))?;
    files::replace(&inside.resolv_conf, &inside.hosts)
        .map_err(|source| EndpointExecError::Enter { what: "have files of its own", source })?;
    sethostname(&inside.hostname).map_err(failed("have a name of its own"))?;
    rights::drop_all_but_needed().map_err(|source| EndpointExecError::Enter {
        what: "give its rights up",
        source: io::Error::other(source),
    })?;
    // Must be last, because a change of rights resets it.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed("end with the shell that asked"))?;
    let source = Command::new(&inside.program).args(&inside.arguments).exec();
    // A script whose interpreter is missing is also reported as not found, although it exists.
    let there = inside.program.to_string_lossy().contains('/') && File::open(&inside.program).is_ok();
    Err(match source.kind() {
        io::ErrorKind::NotFound if !there => EndpointExecError::NotFound { program: inside.program },
        _ => EndpointExecError::NotStarted { program: inside.program, source },
    })
}

/// Enters the user namespace, if it is another one, and the network of a thread of the lab.
fn enter(lab: u32, probe: u32) -> Result<(), EndpointExecError> {
    let failed_open = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => EndpointExecError::Gone { probe },
        io::ErrorKind::PermissionDenied => EndpointExecError::Foreign,
        _ => EndpointExecError::Enter { what: "find the endpoint's network", source },
    };
    // Everything is read from this one thread: another may get its number after it has ended.
    let thread = File::open(format!("/proc/{lab}/task/{probe}")).map_err(failed_open)?;
    let below = |path: &str| format!("/proc/self/fd/{}/{path}", thread.as_raw_fd());
    let open = |kind: &str| File::open(below(&format!("ns/{kind}"))).map_err(failed_open);
    let failed = |what| {
        move |source: nix::Error| match source {
            nix::Error::EPERM => EndpointExecError::Foreign,
            _ => EndpointExecError::Enter { what, source: source.into() },
        }
    };
    // Both are opened before either is entered, with the rights that the process had at first.
    let (user, network) = (open("user")?, open("net")?);
    let same = |metadata: io::Result<Metadata>, other: io::Result<Metadata>| {
        let place = |metadata: Metadata| (metadata.dev(), metadata.ino());
        Ok::<_, io::Error>(place(metadata?) == place(other?))
    };
    let machines = same(network.metadata(), fs::metadata("/proc/self/ns/net"));
    if machines.map_err(failed_open)? {
        return Err(EndpointExecError::NoEndpoint { probe, lab });
    }
    let inside = same(user.metadata(), fs::metadata("/proc/self/ns/user"));
    if !inside.map_err(|source| EndpointExecError::Enter { what: "find its own rights", source })? {
        setns(user, CloneFlags::CLONE_NEWUSER).map_err(failed("enter the lab's user namespace"))?;
    }
    setns(network, CloneFlags::CLONE_NEWNET).map_err(failed("enter the endpoint's network"))
}
