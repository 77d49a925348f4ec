//! Why Linux starts no other process or thread.

use std::fs;
use std::path::Path;

use nix::sys::resource::Resource;
use nix::unistd::geteuid;

use super::Limit;
use super::resource::soft;

/// About how much address space a thread needs: its stack, and its part of the heap.
const OF_A_THREAD: u64 = 80 << 20;

/// Why no process or thread can be started.
pub(super) fn of_start() -> Limit {
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

/// Whether the number of the user's processes is unlimited. Root of a user namespace may be any user outside it.
fn is_root_of_machine() -> bool {
    // If it cannot be read, the user is not considered root.
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
            // Processes that ended since may have made room. Without this file, the group has refused no process.
            let refused = fs::read_to_string(group.join("pids.events")).unwrap_or_default();
            let is_full = number("pids.current").is_some_and(|current| current >= most);
            (is_full || refused.lines().any(|line| line.starts_with("max ") && line != "max 0"))
                .then_some(most)
        })
    })
}

/// How much address space this process has, in bytes.
/// <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
fn address_space() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    size.trim().trim_end_matches("kB").trim_end().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}
