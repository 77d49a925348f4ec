//! Observations: what the client of an attempt saw, stage by stage.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::topology::Protocol;

/// What the client of one attempt saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// The outcome of the last stage.
    pub outcome: Outcome,
    /// The stages in order; none if the attempt could not be made.
    pub stages: Vec<Stage>,
    /// Whether a server saw it.
    pub arrival: Arrival,
}

/// One stage of an attempt: a look-up, a connection, a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stage {
    /// What was tried.
    pub kind: StageKind,
    /// The transport; none is ICMP.
    pub protocol: Option<Protocol>,
    /// The client's own address and port (for ICMP the identifier), chosen before the first packet.
    pub local: Option<SocketAddr>,
    /// The address it is sent to: for a service the service's address.
    pub remote: Option<SocketAddr>,
    /// Its outcome.
    pub outcome: Outcome,
    /// The addresses a look-up learned.
    pub addresses: Vec<IpAddr>,
    /// The time of its start since the start of the run.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
}

/// The kinds of stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StageKind {
    /// A DNS query.
    LookUp,
    /// A connection, a datagram and its answer, an echo.
    Connect,
    /// An HTTP request on that connection.
    Request,
}

/// What a client saw. A closed set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The connection was accepted, the datagram or echo answered, the name resolved.
    Answered,
    /// A TCP reset, or an ICMP message that says that no server listens there.
    Refused,
    /// The connection was accepted and then reset.
    Reset,
    /// An ICMP message or the local routing table says that the address cannot be reached.
    Unreachable,
    /// Nothing arrived before the timeout.
    TimedOut,
    /// It was ended early, because the datapath had already reported what happens to it.
    Ended,
    /// The DNS server or proxy refused the query.
    NameRefused,
    /// The name does not exist, or has no address.
    NoSuchName,
    /// Another DNS response code.
    NameFailed(String),
    /// The HTTP status of the answer.
    HttpStatus(u16),
    /// The answer cannot be understood, with the reason.
    Garbled(String),
    /// The attempt could not be made, for this reason.
    NotAttempted(String),
}

/// Whether a server saw an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// A server reported it.
    Arrived,
    /// No server reported it, and every server that could have was listening.
    NotSeen,
    /// No server of verdikt could report it.
    #[default]
    Unknown,
}

impl Observation {
    /// The duration of the attempt: from the start of its first stage to the end of its last.
    pub fn took(&self) -> Option<Duration> {
        let (first, last) = (self.stages.first()?, self.stages.last()?);
        Some(last.began.saturating_add(last.took).saturating_sub(first.began))
    }

    /// The observation of an attempt that could not be made.
    pub fn not_attempted(reason: impl Into<String>) -> Self {
        let outcome = Outcome::NotAttempted(reason.into());
        Self { outcome, stages: Vec::new(), arrival: Arrival::Unknown }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered => f.pad("answered"),
            Self::Refused => f.pad("refused"),
            Self::Reset => f.pad("reset"),
            Self::Unreachable => f.pad("unreachable"),
            Self::TimedOut => f.pad("timed out"),
            Self::Ended => f.pad("ended when its flow was seen"),
            Self::NameRefused => f.pad("name refused"),
            Self::NoSuchName => f.pad("no such name"),
            Self::NameFailed(code) => f.pad(&format!("name failed: {code}")),
            Self::HttpStatus(status) => f.pad(&format!("HTTP {status}")),
            Self::Garbled(reason) => f.pad(&format!("garbled answer: {reason}")),
            Self::NotAttempted(reason) => f.pad(&format!("not attempted: {reason}")),
        }
    }
}
