//! The messages of Hubble's API, as far as verdikt reads or writes them.
//!
//! Protocol buffers skip fields that they do not know, so that a part of a message reads every version of it. What
//! is "one of several" on the wire is several optional fields here, which is the same on the wire.
//! <https://github.com/cilium/cilium/tree/main/api/v1>

mod flow;

use prost::{Enumeration, Message};
use prost_types::{FieldMask, Timestamp};
use serde::Deserialize;

use crate::json_fields;

pub use flow::*;

/// What to send: `observer.Observer/GetFlows`.
#[derive(Clone, PartialEq, Message)]
pub struct GetFlowsRequest {
    /// How many events at most; 0 with `follow` means no limit.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Whether to go on when all events of the ring have been sent.
    #[prost(bool, tag = "3")]
    pub follow: bool,
    /// Events of any of these.
    #[prost(message, repeated, tag = "6")]
    pub whitelist: Vec<FlowFilter>,
    /// No events from before.
    #[prost(message, optional, tag = "7")]
    pub since: Option<Timestamp>,
    /// No events from later.
    #[prost(message, optional, tag = "8")]
    pub until: Option<Timestamp>,
    /// Only these fields of each flow.
    #[prost(message, optional, tag = "10")]
    pub field_mask: Option<FieldMask>,
}

/// A filter: all of its fields must hold.
#[derive(Clone, PartialEq, Message)]
pub struct FlowFilter {
    /// Any of these types.
    #[prost(message, repeated, tag = "6")]
    pub event_type: Vec<EventTypeFilter>,
}

/// A type of events.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct EventTypeFilter {
    /// One of [`event_type`].
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// Whether the sub-type counts.
    #[prost(bool, tag = "2")]
    pub match_sub_type: bool,
    /// The sub-type.
    #[prost(int32, tag = "3")]
    pub sub_type: i32,
}

/// Numbers of [`CiliumEventType::kind`].
pub mod event_type {
    /// A dropped packet.
    pub const DROP: i32 = 1;
    /// A packet seen at some point on its way.
    pub const TRACE: i32 = 4;
    /// What policy decided.
    pub const POLICY_VERDICT: i32 = 5;
    /// A proxy's access log.
    pub const L7: i32 = 129;
}

/// One of: a flow, a change of nodes, lost events.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct GetFlowsResponse {
    /// A flow.
    #[prost(message, optional, tag = "1")]
    pub flow: Option<Flow>,
    /// What Relay says about its nodes.
    #[prost(message, optional, tag = "2")]
    pub node_status: Option<NodeStatusEvent>,
    /// Events that were lost.
    #[prost(message, optional, tag = "3")]
    pub lost_events: Option<LostEvent>,
    /// The node that says so.
    #[prost(string, tag = "1000")]
    pub node_name: String,
    /// When.
    #[prost(message, optional, tag = "1001")]
    #[serde(deserialize_with = "json_fields::timestamp")]
    pub time: Option<Timestamp>,
}

/// Asks for [`ServerStatusResponse`]: `observer.Observer/ServerStatus`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct ServerStatusRequest {}

/// What a server says about itself; of Relay it is the sum over its nodes.
#[derive(Clone, PartialEq, Message)]
pub struct ServerStatusResponse {
    /// Events in the ring.
    #[prost(uint64, tag = "1")]
    pub num_flows: u64,
    /// How many the ring holds.
    #[prost(uint64, tag = "2")]
    pub max_flows: u64,
    /// How many there have ever been.
    #[prost(uint64, tag = "3")]
    pub seen_flows: u64,
    /// How long it has run, in nanoseconds.
    #[prost(uint64, tag = "4")]
    pub uptime_ns: u64,
    /// Relay: the nodes it hears.
    #[prost(message, optional, tag = "5")]
    pub num_connected_nodes: Option<u32>,
    /// Relay: the nodes it does not hear.
    #[prost(message, optional, tag = "6")]
    pub num_unavailable_nodes: Option<u32>,
    /// Relay: some of those.
    #[prost(string, repeated, tag = "7")]
    pub unavailable_nodes: Vec<String>,
    /// The version of Cilium, with more words.
    #[prost(string, tag = "8")]
    pub version: String,
    /// Flows per second.
    #[prost(double, tag = "9")]
    pub flows_rate: f64,
}

/// Relay about its nodes.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct NodeStatusEvent {
    /// What has become of them: a [`NodeState`].
    #[prost(enumeration = "NodeState", tag = "1")]
    #[serde(deserialize_with = "json_fields::node_state")]
    pub state_change: i32,
    /// Their names.
    #[prost(string, repeated, tag = "2")]
    pub node_names: Vec<String>,
    /// Why.
    #[prost(string, tag = "3")]
    pub message: String,
}

/// What has become of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum NodeState {
    /// Not said.
    Unknown = 0,
    /// Relay hears them.
    Connected = 1,
    /// Relay cannot reach them.
    Unavailable = 2,
    /// They have left the cluster.
    Gone = 3,
    /// They answered with an error.
    Error = 4,
}

/// Events that were lost.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct LostEvent {
    /// Where: a [`LostEventSource`].
    #[prost(enumeration = "LostEventSource", tag = "1")]
    #[serde(deserialize_with = "json_fields::lost_event_source")]
    pub source: i32,
    /// How many.
    #[prost(uint64, tag = "2")]
    #[serde(deserialize_with = "json_fields::number")]
    pub num_events_lost: u64,
    /// When the first was; older versions do not say.
    #[prost(message, optional, tag = "4")]
    #[serde(deserialize_with = "json_fields::timestamp")]
    pub first: Option<Timestamp>,
    /// When the last was.
    #[prost(message, optional, tag = "5")]
    #[serde(deserialize_with = "json_fields::timestamp")]
    pub last: Option<Timestamp>,
}

/// Where events are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum LostEventSource {
    /// Not said.
    Unknown = 0,
    /// Between kernel and agent.
    PerfEventRing = 1,
    /// Inside the agent, before its ring.
    ObserverQueue = 2,
    /// In the agent's ring: overwritten before they were read.
    HubbleRing = 3,
}
