//! The probes of a topology: what each serves, how it resolves names, and the connections to them.
//!
//! [`probes::Probes`] holds the connections, wherever the probes run; [`addresses`] are those of every endpoint and service;
//! [`servers`] and [`names`] derive from the topology what one endpoint serves and how it resolves names.
//!
//! Must not know: how a probe is started, what carries its packets, policies, or verdicts.

pub mod addresses;
pub mod names;
pub mod probes;
pub mod servers;

mod conversation;
