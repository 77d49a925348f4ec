//! Attempts: one try from a source to a target, and the words a scenario file has for it.
//!
//! | written | means |
//! |---|---|
//! | `tcp database/redis:6379` | a TCP connection to a pod |
//! | `udp client:53`, `sctp a/b:9` | a datagram there and back, an SCTP association |
//! | `icmp database/redis` | an echo request |
//! | `icmp Timestamp database/redis`, `icmp6 1 database/redis` | an ICMP message of another type, by its name in policies or its number |
//! | `http GET backend/api:8080/path` | an HTTP request to a pod or through a service |
//! | `http GET api.example.test/ X-Token=abc Host=a.test` | by name, with headers |
//! | `https GET api.example.test/` | over TLS: the server is told the name before anything is encrypted |
//! | `dns api.example.test`, `dns+tcp api.example.test` | a query to the cluster's DNS server |
//! | `tcp shop/web:80 via shop/web-1` | through a service to this one of its backends |
//! | `tcp pod:shop/web:80`, `tcp service:shop/web:80` | where a pod and a service share a name: without a word in front it is the service |
//! | `tcp6 shop/web:80`, `icmp4 shop/web`, `https6 GET api.example.test/` | over IPv6, over IPv4 alone |
//! | `tcp shop/web:80 over far` | from outside, by way of this node |
//! | `tcp database/redis:6379 kept` | something said on the connection that this attempt has made in the step before |
//!
//! An attempt through a service stands for one to every backend, and what is expected of it is expected of each. Hosts
//! outside come in over a node that runs none of the backends, unless the attempt names a node: there the service's
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

/// One try, without its source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
    /// An ICMP message other than an echo request; always of a family, in which its type has its number.
    IcmpMessage {
        /// Who is to get it.
        target: Target,
        /// Its type.
        kind: u8,
    },
    /// An HTTP request.
    Http {
        /// The DNS server.
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
    /// One of the others, over one family of addresses alone.
    OfFamily {
        /// The family.
        family: IpFamily,
        /// What is tried over it; never of a family again.
        attempt: Box<Attempt>,
    },
    /// Something said on the connection that the same attempt of the step before has left.
    Kept {
        /// The attempt that has made the connection; never a kept one.
        attempt: Box<Attempt>,
    },
}

/// How a request is carried.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// As it is.
    #[default]
    Http,
    /// Inside TLS. The host that the request names is told as the server's name (SNI), unless it is an address.
    /// <https://www.rfc-editor.org/rfc/rfc6066#section-3>
    Https,
}

impl Scheme {
    /// Whether it is the plain one, which event logs leave out.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_plain(&self) -> bool {
        *self == Self::Http
    }

    /// The port of URLs that name none.
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
    /// How it is carried.
    #[serde(default, skip_serializing_if = "Scheme::is_plain")]
    pub scheme: Scheme,
    /// The method, in the case written.
    pub method: String,
    /// The path with its query, beginning with `/`.
    pub path: String,
    /// Headers in the order written; a `Host` header replaces the authority.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// The host that a header names.
    pub fn host(&self) -> Option<&str> {
        let header = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        header.map(|(_, host)| host.as_str())
    }
}

impl Attempt {
    /// What is tried, whatever the family of addresses.
    pub fn plain(&self) -> &Self {
        match self {
            Self::OfFamily { attempt, .. } | Self::Kept { attempt } => attempt.plain(),
            other => other,
        }
    }

    /// The only family of addresses that it is made over; any, if none.
    pub fn family(&self) -> Option<IpFamily> {
        match self {
            Self::OfFamily { family, .. } => Some(*family),
            Self::Kept { attempt } => attempt.family(),
            _ => None,
        }
    }

    /// The attempt of the step before whose connection it uses, if it makes none itself.
    pub fn kept(&self) -> Option<&Self> {
        match self {
            Self::Kept { attempt } => Some(attempt),
            _ => None,
        }
    }

    /// The attempts of a step whose connections the step after uses: those that it names, or that this step has kept
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

    /// Who is to be reached; none for a DNS query, which goes to the cluster's DNS server.
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

    /// The port tried; none for ICMP.
    pub fn port(&self) -> Option<Port> {
        match self {
            Self::Connect { port, .. } | Self::Http { port, .. } => Some(*port),
            Self::Dns { .. } => NonZeroU16::new(DNS_PORT),
            Self::Ping { .. } | Self::IcmpMessage { .. } => None,
            Self::OfFamily { attempt, .. } | Self::Kept { attempt } => attempt.port(),
        }
    }

    /// The protocol of the port tried; none for ICMP.
    pub fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Connect { protocol, .. } | Self::Dns { protocol, .. } => Some(*protocol),
            Self::Http { .. } => Some(Protocol::Tcp),
            Self::Ping { .. } | Self::IcmpMessage { .. } => None,
            Self::OfFamily { attempt, .. } | Self::Kept { attempt } => attempt.protocol(),
        }
    }

    /// The type of the ICMP message that it sends over a family, if it sends one.
    pub fn icmp_type(&self, family: IpFamily) -> Option<u8> {
        match self.plain() {
            Self::Ping { .. } => Some(echo_request(family)),
            Self::IcmpMessage { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    /// The backend of a service that is to answer, where the attempt names one.
    pub fn backend(&self) -> Option<&Endpoint> {
        self.target()?.backend()
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

    /// The same attempt through a service to this one of the endpoints behind it.
    #[must_use]
    pub(crate) fn through(&self, backend: Endpoint) -> Self {
        self.target()
            .map_or_else(|| self.clone(), |target| self.with_target(target.with_backend(Some(backend))))
    }

    /// The same attempt to somebody else.
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
