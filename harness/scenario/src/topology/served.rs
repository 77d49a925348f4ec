//! The servers of pods and hosts.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Port, Protocol};
use crate::name::PortName;

/// The protocol of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServedProtocol {
    /// HTTP/1.1 over TCP.
    Http,
    /// HTTP/1.1 over TLS, with a certificate of its own.
    Https,
    /// A TCP echo.
    Tcp,
    /// A UDP echo.
    Udp,
    /// An SCTP echo.
    Sctp,
    /// DNS over UDP and TCP.
    Dns,
}

impl ServedProtocol {
    /// Whether a server of this kind answers on the transport protocol.
    pub fn answers(self, protocol: Protocol) -> bool {
        match self {
            Self::Http | Self::Https | Self::Tcp => protocol == Protocol::Tcp,
            Self::Udp => protocol == Protocol::Udp,
            Self::Sctp => protocol == Protocol::Sctp,
            Self::Dns => matches!(protocol, Protocol::Tcp | Protocol::Udp),
        }
    }
}

impl fmt::Display for ServedProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Dns => "dns",
        })
    }
}

/// One server of a pod or host: `http 3000 as web`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The protocol.
    pub protocol: ServedProtocol,
    /// The port it listens on.
    pub port: Port,
    /// The name the pod declares for the port.
    pub name: Option<PortName>,
}

impl fmt::Display for Served {
    /// Formats it as an author writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.port)?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, " as {name}"))
    }
}
