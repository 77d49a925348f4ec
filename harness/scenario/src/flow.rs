//! Flows: what a datapath reports about traffic, in Hubble's terms.
//!
//! <https://docs.cilium.io/en/stable/_api/v1/flow/README/>

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::topology::{Endpoint, Protocol};

/// One report of a datapath about one packet, query or request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// The time since the start of the run.
    pub at: Duration,
    /// What kind of report it is.
    pub kind: FlowKind,
    /// What happened to the packet.
    pub verdict: FlowVerdict,
    /// Whose policy decided: the source's at egress, the destination's at ingress.
    pub direction: FlowDirection,
    /// The end that sent the packet.
    pub source: FlowEnd,
    /// The client for which the source, a node or the gateway, made a connection of its own, where the datapath knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<SocketAddr>,
    /// The receiver, after a service's address has been translated.
    pub destination: FlowEnd,
    /// Its protocol.
    pub protocol: FlowProtocol,
    /// Why it was dropped.
    pub drop_reason: Option<DropReason>,
    /// Hubble's `policy_match_type`.
    pub match_type: u32,
    /// The policies that decided, by their short names (`database/lockdown`).
    pub policies: Vec<String>,
    /// The query or request that a proxy decided about.
    pub request: Option<ProxyRequest>,
}

/// The kinds of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FlowKind {
    /// A policy decided about the first packet of a connection.
    PolicyVerdict,
    /// A packet was dropped for another reason than policy.
    Drop,
    /// A proxy decided about a query or request.
    Proxy,
    /// A packet was delivered. It is no decision of a policy.
    Trace,
}

/// What happened to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FlowVerdict {
    /// It passed.
    Forwarded,
    /// It went to a proxy.
    Redirected,
    /// It was dropped, or a proxy refused it.
    Dropped,
    /// A policy denies it, and audit mode let it pass.
    Audit,
    /// The datapath does not know what Cilium would do, and dropped it.
    Error,
}

/// The direction of the policy that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FlowDirection {
    /// The destination's policy.
    Ingress,
    /// The source's policy.
    Egress,
}

/// One end of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowEnd {
    /// Its address.
    pub address: IpAddr,
    /// Its port; none for ICMP.
    pub port: Option<u16>,
    /// Cilium's numeric identity.
    pub identity: u32,
    /// The endpoint of the topology, if it is one.
    pub endpoint: Option<Endpoint>,
}

/// The protocol of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FlowProtocol {
    /// A protocol with ports.
    Port(Protocol),
    /// An ICMP message of a type.
    Icmp {
        /// Whether it is `ICMPv6`.
        v6: bool,
        /// The type.
        kind: u8,
    },
    /// Any other, by its number.
    Other(u8),
}

/// Why a packet was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DropReason {
    /// No rule allowed it (133).
    PolicyDenied,
    /// A deny rule (181).
    PolicyDeny,
    /// The source address is not the endpoint's own (132).
    InvalidSourceAddress,
    /// The packet cannot be read (134, 135, 174 …), with the reason.
    Malformed(String),
    /// No endpoint has the destination's address, or the service has no backend (169).
    NoDestination,
    /// A proxy refused it.
    RefusedByProxy,
    /// Another reason, as text.
    Other(String),
    /// The rule needs something that is not modelled, as text.
    NotModelled(String),
}

/// What a proxy decided about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyRequest {
    /// A DNS query.
    Dns {
        /// The name asked for.
        name: String,
        /// The type asked for: `A`.
        kind: String,
        /// The response code, if it was answered: `NoError`, `Refused`.
        code: Option<String>,
        /// The addresses of the answer.
        addresses: Vec<IpAddr>,
        /// The smallest TTL of the answer, in seconds.
        ttl: Option<u32>,
    },
    /// An HTTP request.
    Http {
        /// The method.
        method: String,
        /// The path with its query.
        path: String,
        /// The authority.
        host: String,
        /// The status, if it was answered.
        status: Option<u16>,
    },
    /// The start of a TLS connection.
    Tls {
        /// The server name in the client's handshake, if it has one.
        server_name: Option<String>,
    },
}

impl FlowEnd {
    /// Address and port; port 0 where there is none.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port.unwrap_or(0))
    }
}

/// Formats it as `hubble observe` does: `FORWARDED`.
impl fmt::Display for FlowVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Forwarded => "FORWARDED",
            Self::Redirected => "REDIRECTED",
            Self::Dropped => "DROPPED",
            Self::Audit => "AUDIT",
            Self::Error => "ERROR",
        })
    }
}

impl fmt::Display for FlowDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PolicyDenied => f.pad("no rule allows it"),
            Self::PolicyDeny => f.pad("a rule denies it"),
            Self::InvalidSourceAddress => f.pad("not the sender's address"),
            Self::Malformed(reason) | Self::Other(reason) => f.pad(reason),
            Self::NoDestination => f.pad("no endpoint has this address"),
            Self::RefusedByProxy => f.pad("refused by the proxy"),
            Self::NotModelled(gap) => f.pad(&format!("not modelled: {gap}")),
        }
    }
}

impl fmt::Display for FlowProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(protocol) => protocol.fmt(f),
            Self::Icmp { v6: false, .. } => f.pad("icmp"),
            Self::Icmp { v6: true, .. } => f.pad("icmpv6"),
            Self::Other(number) => f.pad(&format!("protocol {number}")),
        }
    }
}
