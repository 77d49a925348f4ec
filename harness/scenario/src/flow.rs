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
    /// When, counted from the start of the run.
    pub at: Duration,
    /// What kind of report it is.
    pub kind: FlowKind,
    /// What became of the packet.
    pub verdict: FlowVerdict,
    /// Whose policy judged: the source's at egress, the destination's at ingress.
    pub direction: FlowDirection,
    /// The end that sent the packet.
    pub source: FlowEnd,
    /// The end it is for, after a service's address has been translated.
    pub destination: FlowEnd,
    /// Its protocol.
    pub protocol: FlowProtocol,
    /// Why it was dropped.
    pub drop_reason: Option<DropReason>,
    /// Hubble's `policy_match_type`.
    pub match_type: u32,
    /// The policies that decided, by their short names (`database/lockdown`).
    pub policies: Vec<String>,
    /// What a proxy judged.
    pub request: Option<ProxyRequest>,
}

/// The kinds of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FlowKind {
    /// The policy judged the first packet of a connection.
    PolicyVerdict,
    /// A packet was dropped for another reason than policy.
    Drop,
    /// A proxy judged a query or request.
    Proxy,
    /// A packet was delivered, whatever policies are in force.
    Trace,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FlowVerdict {
    /// It passed.
    Forwarded,
    /// It went to a proxy.
    Redirected,
    /// It vanished, or a proxy refused it.
    Dropped,
    /// A policy denies it, and audit mode let it pass.
    Audit,
    /// The datapath cannot tell what Cilium would do, and dropped it.
    Error,
}

/// The direction of the policy that judged.
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
    /// Nothing allowed it (133).
    PolicyDenied,
    /// A deny rule (181).
    PolicyDeny,
    /// The source address is not the endpoint's own (132).
    InvalidSourceAddress,
    /// The packet cannot be read (134, 135, 174 …); as text.
    Malformed(String),
    /// Nobody has the destination's address, or nobody is behind the service (169).
    NoDestination,
    /// A proxy refused it.
    RefusedByProxy,
    /// Another reason of the datapath's; as text.
    Other(String),
    /// What the rule needs is not modelled; as text.
    NotModelled(String),
}

/// What a proxy judged.
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
    /// The beginning of a TLS connection.
    Tls {
        /// The server name that the client tells, if it tells one.
        server_name: Option<String>,
    },
}

impl FlowEnd {
    /// Address and port; port 0 where there is none.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port.unwrap_or(0))
    }
}

/// As `hubble observe` writes it: `FORWARDED`.
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
            Self::NoDestination => f.pad("nobody is there"),
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
