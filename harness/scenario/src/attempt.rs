//! Attempts: one try from a source to a target, as scenario files write it.
//!
//! | written | means |
//! |---|---|
//! | `tcp database/redis:6379` | a TCP connection to a pod |
//! | `udp client:53`, `sctp a/b:9` | a datagram and its echo, an SCTP association |
//! | `icmp database/redis` | an echo request |
//! | `icmp Timestamp database/redis`, `icmp6 1 database/redis` | an ICMP message of another type, by its name in policies or its number |
//! | `http GET backend/api:8080/path` | an HTTP request to a pod or through a service |
//! | `http GET api.example.test/ X-Token=abc Host=a.test` | by name, with headers |
//! | `https GET api.example.test/` | over TLS: the name is sent in the handshake (SNI) |
//! | `dns api.example.test`, `dns+tcp api.example.test` | a query to the cluster's DNS server |
//! | `tcp shop/web:80 via shop/web-1` | through a service, to this one of its backends |
//! | `tcp pod:shop/web:80`, `tcp service:shop/web:80` | when a pod and a service share a name; without a prefix it
//! means the service |
//! | `tcp6 shop/web:80`, `icmp4 shop/web`, `https6 GET api.example.test/` | only over IPv6, only over IPv4 |
//! | `tcp shop/web:80 over far` | from outside, through this node |
//! | `tcp database/redis:6379 kept` | data on the connection that this attempt opened in the step before |
//!
//! An attempt through a service stands for one attempt to each backend, and its expectation holds for each. Hosts
//! outside enter through a node that runs none of the backends, unless the attempt names a node: there the service's
//! `externalTrafficPolicy` matters.

mod target;

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::target::Target;
use crate::icmp::echo_request;
pub use crate::ip_family::IpFamily;
use crate::name::DnsName;
use crate::topology::{DNS_PORT, Endpoint, Port, Protocol, Topology};

/// One attempt, without its source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Attempt {
    /// Reach a port: connect, or send a datagram and wait for the answer.
    Connect {
        /// The protocol.
        protocol: Protocol,
        /// The target.
        target: Target,
        /// The port.
        port: Port,
    },
    /// An ICMP echo request.
    Ping {
        /// The target.
        target: Target,
    },
    /// An ICMP message other than an echo request. It always has an address family, which numbers its type.
    IcmpMessage {
        /// The target.
        target: Target,
        /// Its type.
        kind: u8,
    },
    /// An HTTP request.
    Http {
        /// The DNS server.
        target: Target,
        /// The port.
        port: Port,
        /// The request.
        request: Request,
    },
    /// A query to the cluster's DNS server.
    Dns {
        /// The name asked for.
        name: DnsName,
        /// UDP, unless the author chooses TCP.
        protocol: Protocol,
    },
    /// Another attempt, over one address family only.
    OfFamily {
        /// The family.
        family: IpFamily,
        /// The attempt; never one with an address family.
        attempt: Box<Attempt>,
    },
    /// Data on the connection that the same attempt opened in the step before.
    Kept {
        /// The attempt that opened the connection; never a kept one.
        attempt: Box<Attempt>,
    },
}

/// The scheme of a request.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Without TLS.
    #[default]
    Http,
    /// Inside TLS. The host that the request names is sent as the server name (SNI), unless it is an address.
    /// <https://www.rfc-editor.org/rfc/rfc6066#section-3>
    Https,
}

impl Scheme {
    /// Whether it is the default, which event logs leave out.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_plain(&self) -> bool {
        *self == Self::Http
    }

    /// The default port of URLs.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// An HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// The scheme.
    #[serde(default, skip_serializing_if = "Scheme::is_plain")]
    pub scheme: Scheme,
    /// The method, in the case written.
    pub method: String,
    /// The path with its query, starting with `/`.
    pub path: String,
    /// Headers in the order written; a `Host` header replaces the authority.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// The host that a `Host` header names.
    pub fn host(&self) -> Option<&str> {
        let header = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        header.map(|(_, host)| host.as_str())
    }
}

impl Attempt {
    /// The attempt without its address family.
    pub fn plain(&self) -> &Self {
        match self {
            Self::OfFamily { attempt, .. } | Self::Kept { attempt } => attempt.plain(),
            other => other,
        }
    }

    /// The address family to which it is restricted, if any.
    pub fn family(&self) -> Option<IpFamily> {
        match self {
            Self::OfFamily { family, .. } => Some(*family),
            Self::Kept { attempt } => attempt.family(),
            _ => None,
        }
    }

    /// The attempt of the step before whose connection it uses, if it opens none itself.
    pub fn kept(&self) -> Option<&Self> {
        match self {
            Self::Kept { attempt } => Some(attempt),
            _ => None,
        }
    }

    /// The attempts of a step whose connections the next step uses: those that it names, or that this step has kept
    /// already.
    pub fn kept_by<'a>(
        after: impl IntoIterator<Item = &'a Self>,
        step: impl Fn(&Self) -> bool,
    ) -> BTreeSet<Self> {
        let kept = after.into_iter().filter_map(Self::kept);
        kept.map(|made| {
            let again = Self::Kept { attempt: Box::new(made.clone()) };
            if step(&again) { again } else { made.clone() }
        })
        .collect()
    }

    /// The target; none for a DNS query, which goes to the cluster's DNS server.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Connect { target, .. }
            | Self::Ping { target }
            | Self::IcmpMessage { target, .. }
            | Self::Http { target, .. } => Some(target),
            Self::Dns { .. } => None,
            Self::OfFamily { attempt, .. } | Self::Kept { attempt } => attempt.target(),
        }
    }

    /// The port; none for ICMP.
    pub fn port(&self) -> Option<Port> {
        match self {
            Self::Connect { port, .. } | Self::Http { port, .. } => Some(*port),
            Self::Dns { .. } => NonZeroU16::new(DNS_PORT),
            Self::Ping { .. } | Self::IcmpMessage { .. } => None,
            Self::OfFamily { attempt, .. } | Self::Kept { attempt } => attempt.port(),
        }
    }

    /// The protocol of the port; none for ICMP.
    pub fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Connect { protocol, .. } | Self::Dns { protocol, .. } => Some(*protocol),
            Self::Http { .. } => Some(Protocol::Tcp),
            Self::Ping { .. } | Self::IcmpMessage { .. } => None,
            Self::OfFamily { attempt, .. } | Self::Kept { attempt } => attempt.protocol(),
        }
    }

    /// The type of the ICMP message that it sends over an address family, if any.
    pub fn icmp_type(&self, family: IpFamily) -> Option<u8> {
        match self.plain() {
            Self::Ping { .. } => Some(echo_request(family)),
            Self::IcmpMessage { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    /// The backend of a service that must answer, if the attempt names one.
    pub fn backend(&self) -> Option<&Endpoint> {
        self.target()?.backend()
    }

    /// The same attempt through the service, to any of its backends.
    #[must_use]
    pub fn to_any_backend(&self) -> Self {
        match self.target() {
            Some(Target::Backend { service, .. }) => self.with_target(Target::Service(service.clone())),
            _ => self.clone(),
        }
    }

    /// The attempts that this one stands for: one to each backend of a service with several backends, otherwise
    /// itself. If a service has one backend, the attempt stays one through the service.
    #[must_use]
    pub fn to_each_backend(&self, topology: &Topology) -> Vec<Self> {
        let Some((target, service)) = self.target().and_then(|target| Some((target, target.service()?)))
        else {
            return vec![self.clone()];
        };
        let behind = self.protocol().zip(self.port());
        let behind =
            behind.map(|(protocol, port)| topology.behind(service, protocol, port)).unwrap_or_default();
        match (behind.len(), target.backend()) {
            (1, _) => vec![self.with_target(target.with_backend(None))],
            (0, _) | (_, Some(_)) => vec![self.clone()],
            (_, None) => behind
                .iter()
                .map(|(backend, _)| self.with_target(target.with_backend(Some(backend.clone()))))
                .collect(),
        }
    }

    /// The same attempt through a service to this backend.
    #[must_use]
    pub(crate) fn through(&self, backend: Endpoint) -> Self {
        self.target()
            .map_or_else(|| self.clone(), |target| self.with_target(target.with_backend(Some(backend))))
    }

    /// The same attempt to another target.
    #[must_use]
    pub(crate) fn with_target(&self, other: Target) -> Self {
        let mut attempt = self.clone();
        match &mut attempt {
            Self::Connect { target, .. }
            | Self::Ping { target }
            | Self::IcmpMessage { target, .. }
            | Self::Http { target, .. } => {
                *target = other;
            }
            Self::Dns { .. } => {}
            Self::OfFamily { attempt, .. } | Self::Kept { attempt } => {
                **attempt = attempt.with_target(other);
            }
        }
        attempt
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { protocol, target, port } => write!(f, "{protocol} {target}:{port}")?,
            Self::Ping { target } => write!(f, "icmp {target}")?,
            Self::IcmpMessage { target, kind } => write!(f, "icmp {kind} {target}")?,
            Self::Http { target, port, request } => {
                let Request { scheme, method, path, .. } = request;
                write!(f, "{scheme} {method} {target}:{port}{path}")?;
                request.headers.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))?;
            }
            Self::Kept { attempt } => return write!(f, "{attempt} kept"),
            Self::Dns { name, protocol: Protocol::Tcp } => write!(f, "dns+tcp {name}")?,
            Self::Dns { name, .. } => write!(f, "dns {name}")?,
            Self::OfFamily { family, attempt } => {
                let text = attempt.to_string();
                let (kind, rest) = text.split_once(' ').unwrap_or((&text, ""));
                let digit = if *family == IpFamily::V4 { 4 } else { 6 };
                return write!(f, "{kind}{digit} {rest}");
            }
        }
        if let Some(node) = self.target().and_then(Target::node) {
            write!(f, " over {node}")?;
        }
        self.backend().map_or(Ok(()), |backend| write!(f, " via {backend}"))
    }
}
