//! The targets of attempts.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The target of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireTarget {
    /// An address.
    Address(IpAddr),
    /// A name, to be resolved first; with a final dot as it is, else by the resolver's rules. No look-up is made for
    /// one of its `hosts`. Of several addresses the first is taken that there is a route to.
    Name(String),
    /// The same, over one family of addresses alone.
    NameOverFamily {
        /// The name.
        name: String,
        /// Whether over IPv6, and not over IPv4.
        v6: bool,
    },
}
