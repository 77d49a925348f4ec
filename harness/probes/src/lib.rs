//! The probes of a topology: what each is told to serve, how it resolves names, and what is heard of all of them.
//!
//! [`probes::Probes`] holds the conversations, wherever the probes run; [`addresses`] says where every endpoint and
//! service is, and [`servers`] and [`names`] say what follows from that for one endpoint.
//!
//! Must not know: how a probe is started, what carries its packets, policies, or verdicts.

pub mod addresses;
pub mod names;
pub mod probes;
pub mod servers;

mod conversation;
