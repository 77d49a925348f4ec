//! Running a program of this machine inside an endpoint: in its network, with its resolver and its name.
//!
//! The process that asks becomes the program, so that terminal, directory, environment and exit code are those of
//! the shell it was asked in. What the program sees of `/etc` is changed in a mount namespace of its own.

mod files;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::sethostname;

/// What to run, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// The process whose namespaces are the endpoint's: its agent.
    pub agent: u32,
    /// The text of `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// The text of `/etc/hosts`.
    pub hosts: String,
    /// The host's name.
    pub hostname: String,
    /// The program: a path, or a name that is looked for in `PATH`.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Why a program cannot run inside an endpoint.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The endpoint's agent is no more.
    #[error("the endpoint is gone: its agent, process {agent}, has ended")]
    Gone {
        /// The agent's process.
        agent: u32,
    },
    /// The lab is somebody else's.
    #[error("the lab belongs to another user; run this as the user who runs the lab")]
    Foreign,
    /// A step on the way into the endpoint failed.
    #[error("cannot {what}")]
    Enter {
        /// What cannot be done.
        what: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// There is no such program.
    #[error("there is no program `{}` on this machine", program.display())]
    NotFound {
        /// The program.
        program: OsString,
    },
    /// The program does not start.
    #[error("the program `{}` cannot be started", program.display())]
    NotStarted {
        /// The program.
        program: OsString,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// Becomes the program. Returns only if that fails, and the process must end then. To be called while the process
/// has only one thread: the kernel lets no other enter a user namespace.
pub fn run_inside(inside: Inside) -> Result<Infallible, ExecError> {
    let failed = |what| move |source: nix::Error| ExecError::Enter { what, source: source.into() };
    enter(inside.agent)?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)
        .map_err(failed("have files and a name of its own"))?;
    files::replace(&inside.resolv_conf, &inside.hosts)
        .map_err(|source| ExecError::Enter { what: "have files of its own", source })?;
    sethostname(&inside.hostname).map_err(failed("have a name of its own"))?;
    // The last of all: a change of rights ends it.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed("end with the shell that asked"))?;
    let source = Command::new(&inside.program).args(&inside.arguments).exec();
    // A script whose interpreter is missing is not found either, though it is there.
    let there = inside.program.to_string_lossy().contains('/') && File::open(&inside.program).is_ok();
    Err(match source.kind() {
        io::ErrorKind::NotFound if !there => ExecError::NotFound { program: inside.program },
        _ => ExecError::NotStarted { program: inside.program, source },
    })
}

/// Enters the user namespace, if it is another one, and the network of a process.
fn enter(agent: u32) -> Result<(), ExecError> {
    let open = |kind: &str| {
        File::open(format!("/proc/{agent}/ns/{kind}")).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ExecError::Gone { agent },
            io::ErrorKind::PermissionDenied => ExecError::Foreign,
            _ => ExecError::Enter { what: "find the endpoint's network", source },
        })
    };
    let failed = |what| {
        move |source: nix::Error| match source {
            nix::Error::EPERM => ExecError::Foreign,
            _ => ExecError::Enter { what, source: source.into() },
        }
    };
    // Both are opened before either is entered: what was ours to see is seen with the rights we came with.
    let (user, network) = (open("user")?, open("net")?);
    let same = |metadata: io::Result<Metadata>, other: io::Result<Metadata>| {
        let place = |metadata: Metadata| (metadata.dev(), metadata.ino());
        Ok::<_, io::Error>(place(metadata?) == place(other?))
    };
    let inside = same(user.metadata(), std::fs::metadata("/proc/self/ns/user"));
    if !inside.map_err(|source| ExecError::Enter { what: "find its own rights", source })? {
        setns(user, CloneFlags::CLONE_NEWUSER).map_err(failed("enter the lab's user namespace"))?;
    }
    setns(network, CloneFlags::CLONE_NEWNET).map_err(failed("enter the endpoint's network"))
}
