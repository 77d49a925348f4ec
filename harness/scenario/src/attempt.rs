//! Attempts: one try from a source to a target, and the words a scenario file has for it.
//!
//! | written | means |
//! |---|---|
//! | `tcp database/redis:6379` | a TCP connection to a pod |
//! | `udp client:53`, `sctp a/b:9` | a datagram there and back, an SCTP association |
//! | `icmp database/redis` | an echo request |
//! | `http GET backend/api:8080/path` | an HTTP request to a pod or through a service |
//! | `http GET api.example.test/ X-Token=abc Host=a.test` | by name, with headers |
//! | `dns api.example.test`, `dns+tcp api.example.test` | a query to the cluster's DNS server |
//! | `tcp shop/web:80 via shop/web-1` | through a service to this one of its backends |
//! | `tcp pod:shop/web:80`, `tcp service:shop/web:80` | where a pod and a service share a name: without a word in front it is the service |
//!
//! An attempt through a service stands for one to every backend, and what is expected of it is expected of each.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::name::{DnsName, NamespacedName};
use crate::topology::{Endpoint, Port, Protocol, Topology};

/// One try, without its source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attempt {
    /// Reach a port: connect, or send a datagram and wait for the answer.
    Connect {
        /// The protocol.
        protocol: Protocol,
        /// Who is to be reached.
        target: Target,
        /// On which port.
        port: Port,
    },
    /// An ICMP echo request.
    Ping {
        /// Who is to answer.
        target: Target,
    },
    /// An HTTP request.
    Http {
        /// Whom to ask.
        target: Target,
        /// On which port.
        port: Port,
        /// What to ask.
        request: Request,
    },
    /// A query to the cluster's DNS server.
    Dns {
        /// The name asked for.
        name: DnsName,
        /// UDP, unless the author wants TCP.
        protocol: Protocol,
    },
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Request {
    /// The method, in the case written.
    pub method: String,
    /// The path with its query, beginning with `/`.
    pub path: String,
    /// Headers in the order written; a `Host` header replaces the authority.
    pub headers: Vec<(String, String)>,
}

/// Who is to be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// An endpoint, by its address.
    Endpoint(Endpoint),
    /// A pod whose name a service has too, by its address. Shown as `pod:namespace/name`.
    PodOfSharedName(Endpoint),
    /// A service, by its cluster address.
    Service(NamespacedName),
    /// A service, and this one of the endpoints behind it. Shown as the service alone: an [`Attempt`] adds the rest.
    Backend {
        /// The service.
        service: NamespacedName,
        /// The endpoint that is to answer.
        backend: Endpoint,
    },
    /// A DNS name: the attempt resolves it first, as an application would.
    Name(DnsName),
}

impl Target {
    /// The endpoint itself, where the target is one: it is no source of its own attempt.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Endpoint(endpoint) | Self::PodOfSharedName(endpoint) => Some(endpoint),
            Self::Service(_) | Self::Backend { .. } | Self::Name(_) => None,
        }
    }
}

impl Attempt {
    /// Who is to be reached; none for a DNS query, which goes to the cluster's DNS server.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Connect { target, .. } | Self::Ping { target } | Self::Http { target, .. } => Some(target),
            Self::Dns { .. } => None,
        }
    }

    /// The port tried; none for a ping.
    pub fn port(&self) -> Option<Port> {
        match self {
            Self::Connect { port, .. } | Self::Http { port, .. } => Some(*port),
            Self::Dns { .. } => NonZeroU16::new(53),
            Self::Ping { .. } => None,
        }
    }

    /// The protocol of the port tried; none for a ping.
    pub fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Connect { protocol, .. } | Self::Dns { protocol, .. } => Some(*protocol),
            Self::Http { .. } => Some(Protocol::Tcp),
            Self::Ping { .. } => None,
        }
    }

    /// The backend of a service that is to answer, where the attempt names one.
    pub fn backend(&self) -> Option<&Endpoint> {
        match self.target() {
            Some(Target::Backend { backend, .. }) => Some(backend),
            _ => None,
        }
    }

    /// The same attempt through the service alone, to whichever of its backends the client is led.
    #[must_use]
    pub fn to_any_backend(&self) -> Self {
        match self.target() {
            Some(Target::Backend { service, .. }) => self.with_target(Target::Service(service.clone())),
            _ => self.clone(),
        }
    }

    /// The attempts this one stands for: one to each backend of a service that has several, otherwise itself. By the
    /// only backend of a service it is an attempt through the service.
    #[must_use]
    pub fn to_each_backend(&self, topology: &Topology) -> Vec<Self> {
        let (service, named) = match self.target() {
            Some(Target::Service(service)) => (service, None),
            Some(Target::Backend { service, backend }) => (service, Some(backend)),
            Some(Target::Endpoint(_) | Target::PodOfSharedName(_) | Target::Name(_)) | None => {
                return vec![self.clone()];
            }
        };
        let behind = self.protocol().zip(self.port());
        let behind =
            behind.map(|(protocol, port)| topology.behind(service, protocol, port)).unwrap_or_default();
        let to = |backend: &Endpoint| {
            let (service, backend) = (service.clone(), backend.clone());
            self.with_target(Target::Backend { service, backend })
        };
        match (behind.len(), named) {
            (1, _) => vec![self.with_target(Target::Service(service.clone()))],
            (0, _) | (_, Some(_)) => vec![self.clone()],
            (_, None) => behind.iter().map(|(backend, _)| to(backend)).collect(),
        }
    }

    /// The same attempt to somebody else.
    #[must_use]
    pub(crate) fn with_target(&self, other: Target) -> Self {
        let mut attempt = self.clone();
        match &mut attempt {
            Self::Connect { target, .. } | Self::Ping { target } | Self::Http { target, .. } => {
                *target = other;
            }
            Self::Dns { .. } => {}
        }
        attempt
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(endpoint) => endpoint.fmt(f),
            Self::PodOfSharedName(endpoint) => write!(f, "pod:{endpoint}"),
            Self::Service(name) | Self::Backend { service: name, .. } => name.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { protocol, target, port } => write!(f, "{protocol} {target}:{port}")?,
            Self::Ping { target } => write!(f, "icmp {target}")?,
            Self::Http { target, port, request } => {
                write!(f, "http {} {target}:{port}{}", request.method, request.path)?;
                request.headers.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))?;
            }
            Self::Dns { name, protocol: Protocol::Tcp } => write!(f, "dns+tcp {name}")?,
            Self::Dns { name, .. } => write!(f, "dns {name}")?,
        }
        self.backend().map_or(Ok(()), |backend| write!(f, " via {backend}"))
    }
}
