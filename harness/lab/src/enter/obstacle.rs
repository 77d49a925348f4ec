//! Why a lab cannot run on this machine, and how its owner can change that.

use std::io;

use nix::errno::Errno;
use nix::sched::CloneFlags;

/// Why a lab cannot run on this machine; the message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// There are no TUN devices.
    #[error(
        "this machine has no /dev/net/tun; load the module `tun`, or give a container `--device /dev/net/tun`"
    )]
    NoTun,
    /// This user may not use TUN devices.
    #[error("/dev/net/tun is not open to this user; run as root, or `chmod 0666 /dev/net/tun` once")]
    TunForbidden,
    /// This container may not use TUN devices.
    #[error("this container may not use /dev/net/tun; start it with `--device /dev/net/tun`")]
    TunWithheld,
    /// A kernel setting forbids the user to create namespaces.
    #[error("the kernel's setting {name} is {value}; run as root, or `sysctl -w {name}={wanted}` once")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// A value that allows it.
        wanted: &'static str,
    },
    /// Something else forbids it.
    #[error(
        "this process may not make {what}, as in a container without privileges or a chroot; run outside of it, \
         or start the container with `--privileged`"
    )]
    Forbidden {
        /// What it may not create.
        what: &'static str,
    },
    /// The kernel does not support such namespaces.
    #[error("this kernel has no {what}; use one that has")]
    Unsupported {
        /// What it does not support.
        what: &'static str,
    },
    /// There are too many namespaces.
    #[error(
        "there are as many {what} as the kernel's setting {name} allows; raise it, or end what holds them"
    )]
    Full {
        /// What there are too many of.
        what: &'static str,
        /// The setting.
        name: &'static str,
    },
    /// A user namespace cannot be created for another reason.
    #[error("{what} cannot be made here")]
    Namespace {
        /// What cannot be created.
        what: &'static str,
        /// The system's error.
        #[source]
        source: Errno,
    },
    /// A device cannot be created in a namespace of this process.
    #[error("a network namespace cannot have a TUN device here")]
    Device(#[source] io::Error),
}

/// Settings that forbid namespaces to users, and the values that allow them.
const GATES: [(&str, &str); 2] =
    [("kernel.unprivileged_userns_clone", "1"), ("kernel.apparmor_restrict_unprivileged_userns", "0")];

/// Why /dev/net/tun cannot be opened.
pub(super) fn no_device(error: io::Error) -> Obstacle {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENXIO | Errno::ENODEV | Errno::ENOTDIR) => Obstacle::NoTun,
        Some(Errno::EACCES) => Obstacle::TunForbidden,
        // The file's permissions would give EACCES; this is a control group.
        Some(Errno::EPERM) => Obstacle::TunWithheld,
        _ => Obstacle::Device(error),
    }
}

/// Why the kernel refuses such namespaces with this error; `setting` returns the values of its settings.
pub(super) fn forbidden(
    kind: CloneFlags,
    error: Errno,
    setting: &dyn Fn(&str) -> Option<String>,
) -> Obstacle {
    let (what, limit) = if kind == CloneFlags::CLONE_NEWUSER {
        ("user namespaces", "user.max_user_namespaces")
    } else {
        ("network namespaces", "user.max_net_namespaces")
    };
    match error {
        Errno::EPERM | Errno::EACCES => {
            let closed = GATES.into_iter().find_map(|(name, wanted)| {
                let value = setting(name).filter(|value| value != wanted)?;
                Some(Obstacle::Setting { name, value, wanted })
            });
            closed.unwrap_or(Obstacle::Forbidden { what })
        }
        // The kernel's error for one more than the limit.
        Errno::ENOSPC | Errno::EUSERS => match setting(limit).filter(|value| value == "0") {
            Some(value) => Obstacle::Setting { name: limit, value, wanted: "10000" },
            None => Obstacle::Full { what, name: limit },
        },
        Errno::ENOSYS => Obstacle::Unsupported { what },
        source => Obstacle::Namespace { what, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(obstacle: &Obstacle) -> String {
        let cause = std::error::Error::source(obstacle).map_or(String::new(), |cause| format!(": {cause}"));
        format!("{obstacle}{cause}")
    }

    #[test]
    fn a_device_that_does_not_open() {
        let check = |error: Errno| told(&no_device(error.into()));
        insta::assert_snapshot!(check(Errno::ENOENT), @"this machine has no /dev/net/tun; load the module `tun`, or give a container `--device /dev/net/tun`");
        insta::assert_snapshot!(check(Errno::EACCES), @"/dev/net/tun is not open to this user; run as root, or `chmod 0666 /dev/net/tun` once");
        insta::assert_snapshot!(check(Errno::EPERM), @"this container may not use /dev/net/tun; start it with `--device /dev/net/tun`");
        insta::assert_snapshot!(check(Errno::ENODEV), @"this machine has no /dev/net/tun; load the module `tun`, or give a container `--device /dev/net/tun`");
        insta::assert_snapshot!(check(Errno::EMFILE), @"a network namespace cannot have a TUN device here: Too many open files (os error 24)");
    }

    #[test]
    fn namespaces_that_are_refused() {
        let check = |kind: CloneFlags, error: Errno, settings: &[(&str, &str)]| {
            let value = |name: &str| {
                settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            told(&forbidden(kind, error, &value))
        };
        let (user, net) = (CloneFlags::CLONE_NEWUSER, CloneFlags::CLONE_NEWNET);
        let clone = ("kernel.unprivileged_userns_clone", "0");
        let apparmor = ("kernel.apparmor_restrict_unprivileged_userns", "1");
        insta::assert_snapshot!(check(user, Errno::EPERM, &[clone, apparmor]), @"the kernel's setting kernel.unprivileged_userns_clone is 0; run as root, or `sysctl -w kernel.unprivileged_userns_clone=1` once");
        insta::assert_snapshot!(check(user, Errno::EPERM, &[(clone.0, "1"), apparmor]), @"the kernel's setting kernel.apparmor_restrict_unprivileged_userns is 1; run as root, or `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` once");
        insta::assert_snapshot!(check(net, Errno::EPERM, &[apparmor]), @"the kernel's setting kernel.apparmor_restrict_unprivileged_userns is 1; run as root, or `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` once");
        insta::assert_snapshot!(check(user, Errno::EPERM, &[(clone.0, "1"), (apparmor.0, "0")]), @"this process may not make user namespaces, as in a container without privileges or a chroot; run outside of it, or start the container with `--privileged`");
        insta::assert_snapshot!(check(net, Errno::EPERM, &[]), @"this process may not make network namespaces, as in a container without privileges or a chroot; run outside of it, or start the container with `--privileged`");
        insta::assert_snapshot!(check(user, Errno::ENOSPC, &[("user.max_user_namespaces", "0")]), @"the kernel's setting user.max_user_namespaces is 0; run as root, or `sysctl -w user.max_user_namespaces=10000` once");
        insta::assert_snapshot!(check(user, Errno::ENOSPC, &[("user.max_user_namespaces", "9")]), @"there are as many user namespaces as the kernel's setting user.max_user_namespaces allows; raise it, or end what holds them");
        insta::assert_snapshot!(check(net, Errno::ENOSPC, &[("user.max_net_namespaces", "0")]), @"the kernel's setting user.max_net_namespaces is 0; run as root, or `sysctl -w user.max_net_namespaces=10000` once");
        insta::assert_snapshot!(check(user, Errno::ENOSYS, &[]), @"this kernel has no user namespaces; use one that has");
        insta::assert_snapshot!(check(user, Errno::EINVAL, &[]), @"user namespaces cannot be made here: EINVAL: Invalid argument");
    }
}
