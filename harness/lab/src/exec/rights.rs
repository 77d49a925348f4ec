//! What a program inside an endpoint may do, whoever runs it.

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};

/// What root keeps: what it has in a container, but for making devices and giving rights to files. Enough to read and
/// write any file, to become another user, to ping and to capture packets; too little to change the endpoint's network,
/// mounts, the kernel, or other users' programs by looking into them.
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

/// Drops every other capability, for this process and all that comes after it. The program that it becomes has those
/// that are left if it is root's.
pub(super) fn drop_all_but_needed() -> Result<(), CapsError> {
    let bounding = caps::read(None, CapSet::Bounding)?;
    for capability in bounding.iter().filter(|capability| !KEPT.contains(capability)) {
        caps::drop(None, CapSet::Bounding, *capability)?;
    }
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())
}
