//! Getting the rights a lab needs: as root they are there, else in a user namespace of the process's own.

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

/// How long a thread that has ended may still count as one.
const AFTERLIFE: Duration = Duration::from_secs(2);

/// How the process got its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It had them.
    Already,
    /// It is in a user namespace of its own now, in which it is root. Files it writes are still its user's.
    UserNamespace,
}

/// Why a trial of what a lab is made of has failed.
enum TrialFailure {
    Namespace(Errno),
    Device(io::Error),
}

/// Gets the rights, and tries them. To be called before the process has a second thread.
///
/// After an obstacle the process goes on as usual, except that it may be in a user namespace of its own: files it
/// writes are its user's all the same.
pub fn enter() -> Result<Entered, Obstacle> {
    OpenOptions::new().read(true).write(true).open("/dev/net/tun").map_err(no_device)?;
    // The trial of a user who is not root would fail.
    if geteuid().is_root() && attempt().is_ok() {
        return Ok(Entered::Already);
    }
    become_root()?;
    attempt().map(|()| Entered::UserNamespace).map_err(|failure| match failure {
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
        // The thread of a trial may count for a moment after it was joined, and the kernel moves none of several.
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
    // Nobody may map groups without this: <https://man7.org/linux/man-pages/man7/user_namespaces.7.html>.
    map("setgroups", "deny".to_owned())?;
    map("uid_map", format!("0 {user} 1"))?;
    map("gid_map", format!("0 {group} 1"))
}

/// Makes a network namespace with a device, and forgets it. In a thread, since the process shall stay where it is.
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
