//! One flow of Hubble, and what it says of a packet, its ends and its request.
//! <https://github.com/cilium/cilium/blob/main/api/v1/flow/flow.proto>

use prost::{Enumeration, Message};
use prost_types::Timestamp;
use serde::Deserialize;

use crate::json_fields;

/// A flow.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Flow {
    /// When the datapath reported it, by the node's clock.
    #[prost(message, optional, tag = "1")]
    #[serde(deserialize_with = "json_fields::timestamp")]
    pub time: Option<Timestamp>,
    /// A [`Verdict`].
    #[prost(enumeration = "Verdict", tag = "2")]
    #[serde(deserialize_with = "json_fields::verdict")]
    pub verdict: i32,
    /// Why it was dropped, by number; replaced by `drop_reason_desc`.
    #[prost(uint32, tag = "3")]
    pub drop_reason: u32,
    /// Its addresses.
    #[prost(message, optional, tag = "5")]
    #[serde(rename = "IP")]
    pub ip: Option<Ip>,
    /// Its ports.
    #[prost(message, optional, tag = "6")]
    pub l4: Option<Layer4>,
    /// Who sent it.
    #[prost(message, optional, tag = "8")]
    pub source: Option<Endpoint>,
    /// Who is to receive it.
    #[prost(message, optional, tag = "9")]
    pub destination: Option<Endpoint>,
    /// The node that reports it.
    #[prost(string, tag = "11")]
    pub node_name: String,
    /// DNS names of the source.
    #[prost(string, repeated, tag = "13")]
    pub source_names: Vec<String>,
    /// DNS names of the destination.
    #[prost(string, repeated, tag = "14")]
    pub destination_names: Vec<String>,
    /// What a proxy saw.
    #[prost(message, optional, tag = "15")]
    pub l7: Option<Layer7>,
    /// What kind of event it was.
    #[prost(message, optional, tag = "19")]
    pub event_type: Option<CiliumEventType>,
    /// Whose policy judged: a [`TrafficDirection`].
    #[prost(enumeration = "TrafficDirection", tag = "22")]
    #[serde(deserialize_with = "json_fields::traffic_direction")]
    pub traffic_direction: i32,
    /// On what the deciding rule matched.
    #[prost(uint32, tag = "23")]
    pub policy_match_type: u32,
    /// Why it was dropped, by number.
    #[prost(int32, tag = "25")]
    #[serde(deserialize_with = "json_fields::drop_reason")]
    pub drop_reason_desc: i32,
    /// Whether it goes back to the client, if that is known.
    #[prost(message, optional, tag = "26")]
    pub is_reply: Option<bool>,
    /// The event's own name.
    #[prost(string, tag = "34")]
    pub uuid: String,
    /// The source's policies that allow it.
    #[prost(message, repeated, tag = "21001")]
    pub egress_allowed_by: Vec<Policy>,
    /// The destination's policies that allow it.
    #[prost(message, repeated, tag = "21002")]
    pub ingress_allowed_by: Vec<Policy>,
    /// The source's policies that deny it.
    #[prost(message, repeated, tag = "21004")]
    pub egress_denied_by: Vec<Policy>,
    /// The destination's policies that deny it.
    #[prost(message, repeated, tag = "21005")]
    pub ingress_denied_by: Vec<Policy>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Verdict {
    /// Not said.
    Unknown = 0,
    /// It goes on.
    Forwarded = 1,
    /// It does not.
    Dropped = 2,
    /// It could not be processed.
    Error = 3,
    /// It goes on, though policy denies it.
    Audit = 4,
    /// It goes to a proxy.
    Redirected = 5,
    /// It was only seen.
    Traced = 6,
    /// Its address was translated.
    Translated = 7,
}

/// Whose policy judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum TrafficDirection {
    /// Not known.
    Unknown = 0,
    /// The destination's.
    Ingress = 1,
    /// The source's.
    Egress = 2,
}

/// The addresses of a packet.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct Ip {
    /// Who sent it.
    #[prost(string, tag = "1")]
    pub source: String,
    /// Who is to receive it: of a service the backend.
    #[prost(string, tag = "2")]
    pub destination: String,
}

/// One of several protocols.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct Layer4 {
    /// TCP.
    #[prost(message, optional, tag = "1")]
    #[serde(rename = "TCP")]
    pub tcp: Option<Ports>,
    /// UDP.
    #[prost(message, optional, tag = "2")]
    #[serde(rename = "UDP")]
    pub udp: Option<Ports>,
    /// ICMP.
    #[prost(message, optional, tag = "3")]
    #[serde(rename = "ICMPv4")]
    pub icmp: Option<Icmp>,
    /// ICMP for IPv6.
    #[prost(message, optional, tag = "4")]
    #[serde(rename = "ICMPv6")]
    pub icmpv6: Option<Icmp>,
    /// SCTP.
    #[prost(message, optional, tag = "5")]
    #[serde(rename = "SCTP")]
    pub sctp: Option<Ports>,
}

/// The ports of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct Ports {
    /// The sender's.
    #[prost(uint32, tag = "1")]
    pub source_port: u32,
    /// The receiver's.
    #[prost(uint32, tag = "2")]
    pub destination_port: u32,
}

/// An ICMP message.
#[derive(Clone, Copy, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct Icmp {
    /// Its type.
    #[prost(uint32, tag = "1")]
    #[serde(rename = "type")]
    pub kind: u32,
    /// Its code.
    #[prost(uint32, tag = "2")]
    pub code: u32,
}

/// One end of a flow.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Its identity.
    #[prost(uint32, tag = "2")]
    pub identity: u32,
    /// The pod's namespace.
    #[prost(string, tag = "3")]
    pub namespace: String,
    /// The pod's name.
    #[prost(string, tag = "5")]
    pub pod_name: String,
}

/// A policy that decided.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Its name; none of what the agent itself allows.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its namespace; none of a clusterwide one.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// Where it comes from.
    #[prost(string, repeated, tag = "3")]
    pub labels: Vec<String>,
}

/// What kind of event it was.
#[derive(Clone, Copy, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct CiliumEventType {
    /// One of [`event_type`](super::event_type).
    #[prost(int32, tag = "1")]
    #[serde(rename = "type")]
    pub kind: i32,
    /// More of it: of a drop its reason.
    #[prost(int32, tag = "2")]
    pub sub_type: i32,
}

/// What a proxy saw.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct Layer7 {
    /// An [`L7Type`].
    #[prost(enumeration = "L7Type", tag = "1")]
    #[serde(rename = "type", deserialize_with = "json_fields::l7_type")]
    pub kind: i32,
    /// DNS.
    #[prost(message, optional, tag = "100")]
    pub dns: Option<Dns>,
    /// HTTP.
    #[prost(message, optional, tag = "101")]
    pub http: Option<Http>,
}

/// What a proxy saw of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum L7Type {
    /// Not said.
    Unknown = 0,
    /// The question.
    Request = 1,
    /// The answer.
    Response = 2,
    /// A sample.
    Sample = 3,
}

/// A DNS query or answer.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// The name asked for, with its last dot.
    #[prost(string, tag = "1")]
    pub query: String,
    /// The addresses of the answer.
    #[prost(string, repeated, tag = "2")]
    pub ips: Vec<String>,
    /// The answer's TTL in seconds; its greatest number where the answer has no address.
    #[prost(uint32, tag = "3")]
    pub ttl: u32,
    /// The response code.
    #[prost(uint32, tag = "6")]
    pub rcode: u32,
    /// The types asked for.
    #[prost(string, repeated, tag = "7")]
    pub qtypes: Vec<String>,
}

/// An HTTP request or response.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default)]
pub struct Http {
    /// The status; 0 of a request.
    #[prost(uint32, tag = "1")]
    pub code: u32,
    /// The method.
    #[prost(string, tag = "2")]
    pub method: String,
    /// The URL with its host.
    #[prost(string, tag = "3")]
    pub url: String,
}
