//! Limits by the numbers of errors.
//! <https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/errno.h.html>

use std::error::Error;
use std::io;

use nix::errno::Errno;
use nix::sys::resource::Resource;

use super::Limit;
use super::resource::soft;

/// The limit that an error itself is about.
pub(super) fn of(error: &(dyn Error + 'static)) -> Option<Limit> {
    let number = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    let number = number.map(Errno::from_raw).or_else(|| error.downcast_ref::<Errno>().copied());
    match number? {
        Errno::EMFILE => Some(Limit::OpenFiles(soft(Resource::RLIMIT_NOFILE).unwrap_or_default())),
        Errno::ENFILE => Some(Limit::AllOpenFiles),
        Errno::ENOMEM => Some(of_memory()),
        // The error of a process or thread that cannot start, also if there is no room for its stack.
        #[cfg(target_os = "linux")]
        Errno::EAGAIN => Some(super::start::of_start()),
        _ => None,
    }
}

/// The limit that a failed allocation has met.
pub(super) fn of_memory() -> Limit {
    soft(Resource::RLIMIT_AS).map_or(Limit::Memory, Limit::AddressSpace)
}
