//! Limits of the system: which of them an error is about, so that a message can name it.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::geteuid;

/// A thread takes about so much address space: its stack, and what its memory grows into.
const OF_A_THREAD: u64 = 80 << 20;

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
            let number = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
            let number = number.map(Errno::from_raw).or_else(|| error.downcast_ref::<Errno>().copied());
            if let Some(limit) = number.and_then(Self::of_number) {
                return Some(limit);
            }
            next = error.source();
        }
        None
    }

    /// The limit that a failed allocation has met.
    pub fn of_memory() -> Self {
        soft(Resource::RLIMIT_AS).map_or(Self::Memory, Self::AddressSpace)
    }

    fn of_number(number: Errno) -> Option<Self> {
        match number {
            Errno::EMFILE => Some(Self::OpenFiles(soft(Resource::RLIMIT_NOFILE).unwrap_or_default())),
            Errno::ENFILE => Some(Self::AllOpenFiles),
            Errno::ENOMEM => Some(Self::of_memory()),
            // So fails the start of a process or thread, also where there is no room for its stack.
            Errno::EAGAIN => Some(of_start()),
            _ => None,
        }
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

/// Why no process or thread can be started.
fn of_start() -> Limit {
    if let Some(most) = soft(Resource::RLIMIT_AS)
        && address_space().is_none_or(|used| used + OF_A_THREAD > most)
    {
        return Limit::AddressSpace(most);
    }
    let group = fs::read_to_string("/proc/self/cgroup").ok();
    if let Some(most) = group.and_then(|group| full_group(Path::new("/sys/fs/cgroup"), &group)) {
        return Limit::GroupProcesses(most);
    }
    match soft(Resource::RLIMIT_NPROC).filter(|_| !is_root_of_machine()) {
        Some(most) => Limit::UserProcesses(most),
        None => Limit::AllProcesses,
    }
}

/// Whether the user's processes are not limited. The root of a user namespace may be anybody outside.
fn is_root_of_machine() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mut numbers = map.split_whitespace();
    geteuid().is_root() && (numbers.next(), numbers.next()) == (Some("0"), Some("0"))
}

/// The limit of the nearest control group that has no room for another process; `own` is the process's
/// `/proc/self/cgroup`.
/// <https://docs.kernel.org/admin-guide/cgroup-v2.html#pid>
fn full_group(root: &Path, own: &str) -> Option<u64> {
    own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let root = match controllers {
            "" => root.to_owned(),
            "pids" => root.join("pids"),
            _ => return None,
        };
        let path = root.join(path.trim_start_matches('/'));
        let groups = path.ancestors().take_while(|group| group.starts_with(&root));
        groups.map(Path::to_owned).find_map(|group| {
            let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
            let most = number("pids.max")?;
            // Those that have ended since may have made room.
            let refused = fs::read_to_string(group.join("pids.events")).unwrap_or_default();
            let is_full = number("pids.current").is_some_and(|current| current >= most);
            (is_full || refused.lines().any(|line| line.starts_with("max ") && line != "max 0"))
                .then_some(most)
        })
    })
}

/// The soft limit of a resource; none if there is none.
fn soft(resource: Resource) -> Option<u64> {
    let (soft, _) = getrlimit(resource).ok()?;
    (soft != nix::libc::RLIM_INFINITY).then_some(soft)
}

/// How much address space this process has, in bytes.
/// <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
fn address_space() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    size.trim().trim_end_matches("kB").trim_end().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}
