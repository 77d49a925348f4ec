//! Unpredictable numbers.

use std::hash::{BuildHasher, RandomState};

/// A tag for an SCTP association: never 0.
pub(crate) fn tag() -> u32 {
    // The standard library seeds its hashes with randomness of the system.
    u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or(1).max(1)
}
