//! The orders to a probe and its reports: one JSON object a line, in both directions.
//!
//! The probe speaks first, with [`Report::Ready`]. Every attempt ends with exactly one [`Report::Finished`]. Its
//! stages come before that, one after the other, each as a [`Report::Bound`] and a [`Report::StageEnded`]. An attempt
//! that cannot even be bound has no stage: a missing route, too few sockets, a request that cannot be written. Times
//! are whole microseconds.
//!
//! A line is at most 1 MiB long. A longer line, or one that is not an order, is reported as [`Report::Misunderstood`]
//! and ignored; empty lines are skipped. When the orders end, the probe stops everything and exits without a report.
//!
//! Must not know: how either side carries lines, scenario files, or the system that a probe runs on.

mod certificates;
mod target;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

pub use self::certificates::{WireCertificate, WireTrust};
pub use self::target::WireTarget;

/// The version of this format. Each side refuses other versions.
pub const FORMAT: u32 = 5;

/// The request header that carries an attempt's number to the server.
pub const ATTEMPT_HEADER: &str = "x-verdikt-attempt";

/// An order to a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// Listen on a port. Answered by [`Report::Serving`] or [`Report::NotServing`]. If the server's number is in use,
    /// the order is refused, and the server that has it goes on.
    Serve(Serve),
    /// Stop listening, and close the server's connections. The port is free for the next order. Not answered.
    StopServing {
        /// The server.
        server: u64,
    },
    /// Replace the names of a DNS server that listens already; no query is lost meanwhile. Answered by
    /// [`Report::Serving`] or [`Report::NotServing`].
    AnswerFor {
        /// The server.
        server: u64,
        /// The names that it knows from now on.
        zone: Zone,
    },
    /// Resolve names like this from now on. Attempts in flight continue with the resolver they started with.
    Resolve(Resolver),
    /// Make an attempt. A number that is in flight is refused at once with [`WireOutcome::NotAttempted`], and the
    /// attempt that has it goes on.
    Attempt(WireAttempt),
    /// Finish an attempt now, with [`WireOutcome::Ended`] for it and its current stage. Ignored if it has finished.
    End {
        /// The attempt.
        attempt: u64,
    },
    /// End the stage of an attempt that is bound to this socket, with [`WireOutcome::Ended`]: the attempt continues
    /// as if the stage had timed out. Ignored if the attempt is in another stage.
    EndStage {
        /// The attempt.
        attempt: u64,
        /// The socket of the stage.
        local: SocketAddr,
    },
    /// Report everything that has reached a server so far, and then [`Report::Flushed`].
    Flush {
        /// A number that the report repeats.
        flush: u64,
    },
}

/// A server to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serve {
    /// Its number.
    pub server: u64,
    /// What it speaks.
    pub speaks: Speaks,
    /// The port it listens on, on every address of both families, or of IPv4 where there is no IPv6; 0 lets the system
    /// choose.
    pub port: u16,
    /// The names of a DNS server.
    #[serde(default)]
    pub zone: Zone,
    /// The certificate of an HTTPS server.
    #[serde(default, skip_serializing_if = "WireCertificate::is_usual")]
    pub certificate: WireCertificate,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaks {
    /// HTTP/1.1 with keep-alive: 200 for every request, with the peer, method and path in the body, a line each.
    Http,
    /// The same over TLS 1.2 or 1.3, with a certificate that the server signs itself when it starts.
    Https,
    /// TCP: sends back what it receives.
    Tcp,
    /// UDP: sends back what it receives, from the address that it was sent to.
    Udp,
    /// SCTP: acknowledges the start of an association. Needs a raw socket (`CAP_NET_RAW`).
    Sctp,
    /// DNS over UDP and TCP. Answers over UDP that are longer than 512 bytes, or what the query allows, are truncated.
    Dns,
}

/// The names that a DNS server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Names in lower case without a final dot, with their records. The domains above a name exist without records;
    /// any other name does not exist. An answer contains the aliases on the way and the records of the last name.
    pub names: BTreeMap<String, Records>,
}

/// The records of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// Its addresses.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// The name it is an alias of.
    #[serde(default)]
    pub alias: Option<String>,
    /// For how many seconds the answer may be cached.
    pub ttl: u32,
}

/// How names are resolved, as by a pod's `/etc/resolv.conf` and `/etc/hosts`.
/// <https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-config>
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// Names that are resolved without a query.
    #[serde(default)]
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// The servers in the order they are asked. The next one is asked if one is unreachable, does not answer, or
    /// fails.
    #[serde(default)]
    pub servers: Vec<SocketAddr>,
    /// The domains that are appended to a name without a final dot: before the plain name is tried if that has fewer
    /// than `ndots` dots, else after it. The first name with an address is taken. Without one, a refusal outranks a
    /// failure, and a failure outranks "no such name". A timeout ends the look-up.
    #[serde(default)]
    pub search: Vec<String>,
    /// The number of dots from which a name is first tried as it is.
    #[serde(default)]
    pub ndots: u8,
    /// Whether a refused query ends the look-up, as in musl; glibc goes on to the next domain.
    #[serde(default)]
    pub refused_ends: bool,
}

/// An attempt to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireAttempt {
    /// Its number, unique among those of all probes of a run.
    pub attempt: u64,
    /// What to try.
    #[serde(rename = "try")]
    pub action: Action,
    /// The timeout of each stage in milliseconds.
    pub timeout: u32,
}

/// What to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Connect, and close the connection at once.
    Tcp {
        /// The target.
        target: WireTarget,
        /// On which port.
        port: u16,
    },
    /// Connect, and keep the connection open under a name. An older connection of that name is closed.
    Keep {
        /// The target.
        target: WireTarget,
        /// On which port.
        port: u16,
        /// The name.
        name: String,
    },
    /// Send something on a connection that is kept open, and wait for it to come back. The connection stays open.
    Kept {
        /// The connection's name.
        name: String,
    },
    /// Send one datagram and wait for it to come back.
    Udp {
        /// The target.
        target: WireTarget,
        /// On which port.
        port: u16,
    },
    /// Start an association, and stop there. Needs a raw socket (`CAP_NET_RAW`).
    Sctp {
        /// The target.
        target: WireTarget,
        /// On which port.
        port: u16,
    },
    /// Send one echo request. Needs a ping socket (`net.ipv4.ping_group_range`) or a raw one (`CAP_NET_RAW`).
    Ping {
        /// The target.
        target: WireTarget,
    },
    /// Send one ICMP message of this type, without waiting for an answer. Needs a raw socket (`CAP_NET_RAW`).
    Icmp {
        /// The target.
        target: WireTarget,
        /// The type.
        #[serde(rename = "type")]
        kind: u8,
    },
    /// Ask the resolver's servers: for IPv4 addresses, and if there are none for IPv6 addresses. A name with a final
    /// dot is asked as it is, any other by the resolver's rules; `hosts` is not used.
    Dns {
        /// The name.
        name: String,
        /// Over TCP instead of UDP.
        tcp: bool,
    },
    /// Send a request and read the whole answer. Over TLS any certificate is accepted unless `trusts` is given: the
    /// attempt tests whether the server can be reached, not who it is.
    Http {
        /// The target.
        target: WireTarget,
        /// On which port.
        port: u16,
        /// The method.
        method: String,
        /// The path with its query.
        path: String,
        /// The headers; a `Host` replaces the one made from target and port.
        headers: Vec<(String, String)>,
        /// Whether over TLS. The name in the `Host` header or the target is sent to the server in the handshake
        /// (SNI); an address is not. <https://www.rfc-editor.org/rfc/rfc6066#section-3>
        #[serde(default)]
        tls: bool,
        /// The certificates that the client trusts; without it, it accepts any certificate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trusts: Option<WireTrust>,
    },
}

/// A report of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum Report {
    /// The probe has started.
    Ready {
        /// [`FORMAT`].
        format: u32,
    },
    /// A server listens.
    Serving {
        /// The server.
        server: u64,
        /// The port.
        port: u16,
    },
    /// A server cannot listen.
    NotServing {
        /// The server.
        server: u64,
        /// Why.
        reason: String,
    },
    /// A stage of an attempt has its socket, and sends its first packet after this report.
    Bound(Bound),
    /// The stage of an attempt that was bound last has ended.
    StageEnded {
        /// The attempt.
        attempt: u64,
        /// The outcome. A query answered without addresses is [`WireOutcome::NoSuchName`], unless the answer was
        /// truncated: then the next stage asks over TCP.
        outcome: WireOutcome,
        /// The addresses of a look-up.
        addresses: Vec<IpAddr>,
        /// How long the stage took, in microseconds, since its [`Report::Bound`] left the probe.
        took: u64,
    },
    /// An attempt has ended.
    Finished {
        /// The attempt.
        attempt: u64,
        /// The outcome: that of its last stage.
        outcome: WireOutcome,
        /// How long all of it took, in microseconds.
        took: u64,
    },
    /// A packet or request reached a server.
    Arrived(Arrived),
    /// Everything that had reached a server when [`Order::Flush`] arrived has been reported.
    Flushed {
        /// The number of the order.
        flush: u64,
    },
    /// An order that the probe cannot follow.
    Misunderstood {
        /// Why, with the line.
        reason: String,
    },
}

/// A stage of an attempt that is about to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The attempt.
    pub attempt: u64,
    /// The stage.
    pub stage: WireStage,
    /// The protocol.
    pub transport: StageTransport,
    /// The client's address and port; for ICMP the identifier.
    pub local: SocketAddr,
    /// The destination. The port is 0 for an echo request, and the type of another ICMP message.
    pub remote: SocketAddr,
}

/// Something that reached a server, reported before the server answers: a connection to a TCP, HTTP or HTTPS server
/// when it is accepted, each HTTP request, each datagram, each DNS query over UDP or TCP, each start of an SCTP
/// association.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// The server.
    pub server: u64,
    /// The protocol.
    pub transport: StageTransport,
    /// The client, as the server sees it.
    pub peer: SocketAddr,
    /// The attempt it belongs to, from the header of a request or the text of a datagram. Connections and DNS queries
    /// do not name one.
    pub attempt: Option<u64>,
}

/// The stages of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireStage {
    /// A DNS query; one for each name and type asked for.
    LookUp,
    /// The connection, the datagram or the echo.
    Connect,
    /// The request on that connection, with its TLS handshake.
    Request,
}

/// The protocol of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is spelled as everywhere")]
pub enum StageTransport {
    Tcp,
    Udp,
    Sctp,
    Icmp,
}

/// What a client saw. A closed set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireOutcome {
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
    /// It was ended by [`Order::End`] or [`Order::EndStage`].
    Ended,
    /// The DNS server or proxy refused the query.
    NameRefused,
    /// The name does not exist, or has no address.
    NoSuchName,
    /// Another DNS response code: `ServFail`.
    NameFailed(String),
    /// The HTTP status of the answer.
    HttpStatus(u16),
    /// The answer cannot be understood, or TLS cannot be negotiated, with the reason.
    Garbled(String),
    /// The attempt could not be made, for this reason.
    NotAttempted(String),
}
