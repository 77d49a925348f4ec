//! Hubble: its messages, what they mean in verdikt's words, a client, and streams that account for what they lose.
//!
//! - [`messages`] are the parts of Hubble's API that verdikt reads, [`json`] their JSON form;
//! - [`convert`] turns them into flows, pure;
//! - [`client`] speaks to one agent or Relay, however it is reached;
//! - [`flow_source`] decides whether to ask the agents or Relay;
//! - [`stream`] follows several at once, over cuts, and says what may be missing.
//!
//! # An agent's newest event cannot be read
//!
//! Whoever reads an agent's ring of events never sees the newest one until one more is written. A denied
//! connection writes two at once, its policy verdict and its drop, so that the verdict is readable within
//! milliseconds, and the drop only with whatever happens next: the first packet's repetition, about a second later.
//! Three things follow for a caller:
//!
//! - key on the first [`FlowKind::PolicyVerdict`](verdikt_scenario::flow::FlowKind) of a packet, and never wait for
//!   its second, which is the drop;
//! - do not take silence on a quiet node for "no flow": send something known to be allowed, which pushes the last
//!   event out, and wait for that;
//! - prefer agents to Relay where milliseconds count: Relay also holds events back, about a second, to sort them.
//!
//! Must not know: the engine, Kubernetes.

pub mod client;
pub mod convert;
mod drop_reason;
pub mod flow_source;
pub mod json;
mod json_fields;
pub mod messages;
pub mod stream;
