//! Gets the rights that a lab needs: root has them; other users get them in a user namespace of the process.

mod obstacle;

use std::fs::{self, OpenOptions};
use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
pub use obstacle::Obstacle;
use obstacle::{forbidden, no_device};

use crate::namespace::open_device;

/// How long an ended thread may still count as one.
const AFTERLIFE: Duration = Duration::from_secs(2);

/// How the process got its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabRights {
    /// It had them.
    Already,
    /// It is root in its own user namespace. Files that it writes still belong to its user.
    UserNamespace,
}

/// Why a test of the lab's parts has failed.
enum TrialFailure {
    Namespace(Errno),
    Device(io::Error),
}

/// Gets the rights and tests them. Must be called before the process has a second thread.
///
/// If there is an obstacle the process can continue, perhaps in a user namespace of its own: files that it writes
/// belong to its user.
pub fn enter() -> Result<LabRights, Obstacle> {
    OpenOptions::new().read(true).write(true).open("/dev/net/tun").map_err(no_device)?;
    // For users other than root the test would fail.
    if geteuid().is_root() && attempt().is_ok() {
        return Ok(LabRights::Already);
    }
    become_root()?;
    attempt().map(|()| LabRights::UserNamespace).map_err(|failure| match failure {
        TrialFailure::Namespace(error) => forbidden(CloneFlags::CLONE_NEWNET, error, &setting),
        TrialFailure::Device(error) => Obstacle::Device(error),
    })
}

/// Moves the process into a new user namespace, as root of it.
fn become_root() -> Result<(), Obstacle> {
    let (user, group) = (geteuid(), getegid());
    let refused = |error: Errno| forbidden(CloneFlags::CLONE_NEWUSER, error, &setting);
    let deadline = Instant::now() + AFTERLIFE;
    loop {
        // The thread of a test may count for a moment after it was joined, and the kernel moves no process with
        // several threads.
        let alone = fs::read_dir("/proc/self/task").map_or(true, |tasks| tasks.count() == 1);
        match unshare(CloneFlags::CLONE_NEWUSER) {
            Err(Errno::EINVAL) if !alone && Instant::now() < deadline => std::thread::yield_now(),
            moved => break moved.map_err(refused)?,
        }
    }
    let map = |file: &str, line: String| {
        let written = fs::write(format!("/proc/self/{file}"), line);
        written.map_err(|error| refused(error.raw_os_error().map_or(Errno::EPERM, Errno::from_raw)))
    };
    // Mapping groups requires this: <https://man7.org/linux/man-pages/man7/user_namespaces.7.html>.
    map("setgroups", "deny".to_owned())?;
    map("uid_map", format!("0 {user} 1"))?;
    map("gid_map", format!("0 {group} 1"))
}

/// Creates a network namespace with a device, and drops it. In a thread, because the process must stay where it is.
fn attempt() -> Result<(), TrialFailure> {
    let thread = std::thread::Builder::new().spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).map_err(TrialFailure::Namespace)?;
        open_device().map(|_| ()).map_err(TrialFailure::Device)
    });
    let ended = thread.map_err(TrialFailure::Device)?.join();
    ended.unwrap_or_else(|_| Err(TrialFailure::Device(io::Error::other("the trial panicked"))))
}

/// The value of a kernel setting, if the kernel has it.
fn setting(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?;
    Some(text.trim().to_owned())
}
