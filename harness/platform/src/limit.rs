//! Limits of the system: which of them an error is about, so that a message can name it.

#[cfg(not(unix))]
mod kind;
#[cfg(unix)]
mod number;
#[cfg(unix)]
mod resource;
#[cfg(target_os = "linux")]
mod start;

use std::error::Error;
use std::fmt;

#[cfg(not(unix))]
use kind as system;
#[cfg(unix)]
use number as system;

/// A limit that has been reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// On the open files of a process.
    OpenFiles(u64),
    /// On the open files of the whole machine.
    AllOpenFiles,
    /// On the processes and threads of a user.
    UserProcesses(u64),
    /// On the processes and threads of a control group.
    GroupProcesses(u64),
    /// On the processes and threads of the whole machine.
    AllProcesses,
    /// On the address space of a process, in bytes.
    AddressSpace(u64),
    /// There is no more memory.
    Memory,
}

impl Limit {
    /// The limit that an error, or one of its causes, is about; none if it is about none.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(limit) = system::of(error) {
                return Some(limit);
            }
            next = error.source();
        }
        None
    }

    /// The limit that a failed allocation has met.
    pub fn of_memory() -> Self {
        system::of_memory()
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenFiles(most) => {
                write!(f, "a process may have {most} open files (RLIMIT_NOFILE); raise it with `ulimit -n`")
            }
            Self::AllOpenFiles => f.write_str("the machine has no more open files; raise `fs.file-max`"),
            Self::UserProcesses(most) => write!(
                f,
                "this user may have {most} processes and threads (RLIMIT_NPROC); raise it with `ulimit -u`"
            ),
            Self::GroupProcesses(most) => write!(
                f,
                "the control group may have {most} processes and threads (pids.max); raise it, as with `docker run \
                 --pids-limit`"
            ),
            Self::AllProcesses => f.write_str(
                "the machine has no room for another process or thread; raise `kernel.threads-max`, \
                 `kernel.pid_max` or `vm.max_map_count`",
            ),
            Self::AddressSpace(most) => write!(
                f,
                "a process may have {} MiB of address space (RLIMIT_AS); raise it with `ulimit -v`",
                most >> 20
            ),
            Self::Memory => f.write_str(
                "there is no more memory; give the machine or its control group (memory.max) more",
            ),
        }
    }
}
