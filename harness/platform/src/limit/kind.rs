//! Limits on systems whose errors have no common numbers.

use std::error::Error;
use std::io;

use super::Limit;

/// The limit that an error itself is about.
pub(super) fn of(error: &(dyn Error + 'static)) -> Option<Limit> {
    let error = error.downcast_ref::<io::Error>()?;
    (error.kind() == io::ErrorKind::OutOfMemory).then_some(Limit::Memory)
}

/// The limit that a failed allocation has met.
pub(super) fn of_memory() -> Limit {
    Limit::Memory
}
