//! Getting the rights a lab needs: as root they are there, else in a user namespace of the process's own.

use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use crate::namespace::{Keeper, NamespaceError, Wanted};

/// How the process got its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It had them.
    Already,
    /// It is in a user namespace of its own now, in which it is root. Files it writes are still its user's.
    UserNamespace,
}

/// Why there can be no lab on this machine; says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// There are no TUN devices.
    #[error("this machine has no /dev/net/tun; load the module `tun`, or give it to the container")]
    NoTun,
    /// TUN devices are not for this user.
    #[error("/dev/net/tun is not open to this user; run as root, or `chmod 0666 /dev/net/tun` once")]
    TunForbidden,
    /// User namespaces are not for this user.
    #[error(
        "this user may not make namespaces; run as root, or allow unprivileged user namespaces \
         (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, \
         kernel.apparmor_restrict_unprivileged_userns)"
    )]
    NamespacesForbidden(#[source] io::Error),
    /// Something else fails.
    #[error("a network namespace with a TUN device cannot be made here")]
    Other(#[source] NamespaceError),
}

/// Gets the rights, and tries them. To be called before the process has a second thread.
pub fn enter() -> Result<Entered, Obstacle> {
    let open = fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    match open.map_err(|error| error.kind()) {
        Ok(_) => {}
        Err(io::ErrorKind::PermissionDenied) => return Err(Obstacle::TunForbidden),
        Err(_) => return Err(Obstacle::NoTun),
    }
    let first = try_it();
    if first.is_ok() {
        return Ok(Entered::Already);
    }
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| Obstacle::NamespacesForbidden(error.into()))?;
    let map = |file: &str, line: String| fs::write(format!("/proc/self/{file}"), line);
    // Without this the kernel lets nobody map groups; kernels before 3.19 do not have it.
    let _ = map("setgroups", "deny".to_owned());
    map("uid_map", format!("0 {user} 1")).map_err(Obstacle::NamespacesForbidden)?;
    map("gid_map", format!("0 {group} 1")).map_err(Obstacle::NamespacesForbidden)?;
    try_it().map_err(|error| match error {
        NamespaceError::Make { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            Obstacle::NamespacesForbidden(source)
        }
        other => Obstacle::Other(other),
    })?;
    Ok(Entered::UserNamespace)
}

/// Makes a namespace and forgets it. The thread that did so is over when this returns.
fn try_it() -> Result<(), NamespaceError> {
    let keeper = Keeper::start()?;
    let wanted = Wanted { name: "a trial".to_owned(), addresses: Vec::new(), local_prefixes: Vec::new() };
    keeper.thread(wanted, || {}).map(|_| ())
}
