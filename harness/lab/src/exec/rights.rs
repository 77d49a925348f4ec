//! The rights of a program inside an endpoint, whichever user runs it.

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};

/// The capabilities that root keeps: those it has in a container, except creating devices and giving capabilities to
/// files. They suffice to read and write any file, to become another user, to ping and to capture packets, but not to
/// change the endpoint's network, mounts or the kernel, or to trace other users' programs.
const KEPT: &[Capability] = &[
    Capability::CAP_AUDIT_WRITE,
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_KILL,
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_NET_RAW,
    Capability::CAP_SETGID,
    Capability::CAP_SETUID,
    Capability::CAP_SYS_CHROOT,
];

/// Drops every other capability, for this process and its descendants. The program has the remaining ones if it runs
/// as root.
pub(super) fn drop_all_but_needed() -> Result<(), CapsError> {
    let bounding = caps::read(None, CapSet::Bounding)?;
    for capability in bounding.iter().filter(|capability| !KEPT.contains(capability)) {
        caps::drop(None, CapSet::Bounding, *capability)?;
    }
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())
}
