//! The agents of a topology: what each is told to serve, how it resolves names, and what is heard of all of them.
//!
//! [`agents::Agents`] holds the conversations, wherever the agents run; [`addresses`] says where every endpoint and
//! service is, and [`servers`] and [`names`] say what follows from that for one endpoint.
//!
//! Must not know: how an agent is started, what carries its packets, policies, or verdicts.

pub mod addresses;
pub mod agents;
pub mod names;
pub mod servers;

mod conversation;
