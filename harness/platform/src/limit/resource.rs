//! The limits of resources.

use nix::sys::resource::{Resource, getrlimit};

/// The soft limit of a resource; none if there is none.
pub(super) fn soft(resource: Resource) -> Option<u64> {
    let (soft, _) = getrlimit(resource).ok()?;
    (soft != nix::libc::RLIM_INFINITY).then_some(soft)
}
