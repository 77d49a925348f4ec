//! What a probe is told and what it answers: one JSON object a line, in both directions.
//!
//! The probe speaks first, with [`Report::Ready`]. Every attempt ends with one [`Report::Finished`], whatever
//! happens to it; before that come its stages, one after the other, each as a [`Report::Bound`] and a
//! [`Report::StageEnded`]. What cannot even be bound has no stage: a missing route, too few sockets, a request that
//! cannot be written. Times are whole microseconds.
//!
//! A line is at most 1 MiB long. A longer one, and one that is not an order, is a [`Report::Misunderstood`] and changes
//! nothing; empty ones are skipped. When the orders end, the probe gives up all it does and ends without a word.
//!
//! Must not know: how either side carries lines, scenario files, or the system that a probe runs on.

mod certificates;
mod target;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

pub use self::certificates::{WireCertificate, WireTrust};
pub use self::target::WireTarget;

/// The version of this format. Both sides refuse another one.
pub const FORMAT: u32 = 5;

/// The request header that carries an attempt's number to the server.
pub const ATTEMPT_HEADER: &str = "x-verdikt-attempt";

/// What a probe is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// Listen on a port. Answered by [`Report::Serving`] or [`Report::NotServing`]; the latter also where the server's
    /// number is in use, and then of the new server alone.
    Serve(Serve),
    /// Stop listening; connections that stand are closed. The port is free for the next order. It is not answered.
    StopServing {
        /// The server.
        server: u64,
    },
    /// Answer for these names from now on, at a DNS server that listens: no query is lost meanwhile. Answered by
    /// [`Report::Serving`] or [`Report::NotServing`].
    AnswerFor {
        /// The server.
        server: u64,
        /// Its names, in place of those before.
        zone: Zone,
    },
    /// Resolve names like this from now on. Attempts in flight go on with what they began with.
    Resolve(Resolver),
    /// Attempt something. A number that is in flight is refused at once with [`WireOutcome::NotAttempted`]; the attempt that
    /// has it goes on.
    Attempt(WireAttempt),
    /// Finish an attempt now, with [`WireOutcome::Ended`], if it has not finished. The stage that it is in ends likewise.
    End {
        /// The attempt.
        attempt: u64,
    },
    /// End what an attempt waits for at this socket, with [`WireOutcome::Ended`] for the stage: the attempt goes on as if
    /// nothing had been heard for the whole time. An attempt that is not in that stage goes on as it is.
    EndStage {
        /// The attempt.
        attempt: u64,
        /// Where the stage was bound.
        local: SocketAddr,
    },
    /// Report everything that has reached a server until now, and then [`Report::Flushed`].
    Flush {
        /// A number that the answer repeats.
        flush: u64,
    },
}

/// A server to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serve {
    /// Its number.
    pub server: u64,
    /// What it speaks.
    pub speaks: Speaks,
    /// The port it listens on, on every address of both families, or of IPv4 where there is no IPv6; 0 lets the system
    /// choose.
    pub port: u16,
    /// What a DNS server answers.
    #[serde(default)]
    pub zone: Zone,
    /// What a server of HTTPS shows.
    #[serde(default, skip_serializing_if = "WireCertificate::is_usual")]
    pub certificate: WireCertificate,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaks {
    /// HTTP/1.1 with keep-alive: 200 for every request, with the peer, method and path in the body, a line each.
    Http,
    /// The same over TLS 1.2 or 1.3, with a certificate that the server signs itself as it begins.
    Https,
    /// TCP: sends back what it receives.
    Tcp,
    /// UDP: sends back what it receives, from the address that it was sent to.
    Udp,
    /// SCTP: acknowledges an association's begin. Needs a raw socket (`CAP_NET_RAW`).
    Sctp,
    /// DNS over UDP and TCP. Answers over UDP that are longer than 512 bytes, or what the query allows, are truncated.
    Dns,
}

/// What a DNS server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Names without a final dot, lower case, with their records. Where a name is here, the domains above it exist
    /// without records; any other name does not exist. An answer holds the aliases on the way and the records of the
    /// last name.
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
    /// For how many seconds the answer may be kept.
    pub ttl: u32,
}

/// How names are resolved, as by a pod's `/etc/resolv.conf` and `/etc/hosts`.
/// <https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-config>
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// Names that need no query.
    #[serde(default)]
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// The servers, asked in their order: the next one where one cannot be reached, says nothing, or fails.
    #[serde(default)]
    pub servers: Vec<SocketAddr>,
    /// The domains tried with a name without a final dot: before the name as it is where that has fewer than `ndots`
    /// dots, else after it. The first that has an address is taken. Of what is said instead, a refusal outweighs a
    /// failure, and that a name that does not exist. Silence ends the look-up.
    #[serde(default)]
    pub search: Vec<String>,
    /// See `search`.
    #[serde(default)]
    pub ndots: u8,
    /// Whether a refused query ends the look-up, as in musl; glibc goes on to the next domain.
    #[serde(default)]
    pub refused_ends: bool,
}

/// Something to attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireAttempt {
    /// Its number, unique among those of all probes of a run.
    pub attempt: u64,
    /// What to try.
    #[serde(rename = "try")]
    pub action: Action,
    /// After how many milliseconds each of its stages times out.
    pub timeout: u32,
}

/// What to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Connect, and close as soon as the connection stands.
    Tcp {
        /// The target.
        target: WireTarget,
        /// On which port.
        port: u16,
    },
    /// Connect, and keep the connection under a name; another one of that name is closed.
    Keep {
        /// The target.
        target: WireTarget,
        /// On which port.
        port: u16,
        /// The name.
        name: String,
    },
    /// Say something on a connection that is kept, and wait for it to come back. It is kept still.
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
    /// Begin an association, and leave it at that. Needs a raw socket (`CAP_NET_RAW`).
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
    /// Send one ICMP message of this type, to which nobody has to answer. Needs a raw socket (`CAP_NET_RAW`).
    Icmp {
        /// The target.
        target: WireTarget,
        /// The type.
        #[serde(rename = "type")]
        kind: u8,
    },
    /// Ask the resolver's servers: for IPv4 addresses, and if there are none for IPv6 addresses. A name with
    /// a final dot is asked as it is, any other by the resolver's rules; its `hosts` are not looked at.
    Dns {
        /// For what.
        name: String,
        /// Over TCP instead of UDP.
        tcp: bool,
    },
    /// Send a request and read the whole answer. Over TLS any certificate is accepted unless it is said whom the
    /// client trusts: what is tried is whether the server can be reached, not who it is.
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
        /// Whether over TLS. A name that is asked for, by a `Host` or the target, is told to the server before the handshake is encrypted (SNI), an
        /// address is not. <https://www.rfc-editor.org/rfc/rfc6066#section-3>
        #[serde(default)]
        tls: bool,
        /// Whom the client trusts; if left out, it takes any certificate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trusts: Option<WireTrust>,
    },
}

/// What a probe answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum Report {
    /// The probe is there.
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
    /// The stage of an attempt that was bound last has come to something.
    StageEnded {
        /// The attempt.
        attempt: u64,
        /// What. A query answered without addresses is [`WireOutcome::NoSuchName`], unless the answer was truncated: then
        /// the next stage asks over TCP.
        outcome: WireOutcome,
        /// The addresses of a look-up.
        addresses: Vec<IpAddr>,
        /// How long the stage took, in microseconds, since its [`Report::Bound`] left the probe.
        took: u64,
    },
    /// An attempt is over.
    Finished {
        /// The attempt.
        attempt: u64,
        /// What it came to: the outcome of its last stage.
        outcome: WireOutcome,
        /// How long all of it took, in microseconds.
        took: u64,
    },
    /// Something reached a server.
    Arrived(Arrived),
    /// Everything that had reached a server when [`Order::Flush`] came has been reported.
    Flushed {
        /// The number of the order.
        flush: u64,
    },
    /// An order that cannot be followed.
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
    /// Over what.
    pub transport: StageTransport,
    /// Its own address and port; for ICMP the identifier.
    pub local: SocketAddr,
    /// The address it is sent to; the port is 0 for an echo request, and the type of another ICMP message.
    pub remote: SocketAddr,
}

/// Something that reached a server, told before the server answers: a connection to a TCP, HTTP or HTTPS server when
/// it is accepted, each HTTP request, each datagram, each DNS query over UDP or TCP, each begin of an SCTP association.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// The server.
    pub server: u64,
    /// Over what.
    pub transport: StageTransport,
    /// Who sent it, as the server sees it.
    pub peer: SocketAddr,
    /// The attempt it says to be part of: from the header of a request or the text of a datagram. Connections and DNS
    /// queries do not say.
    pub attempt: Option<u64>,
}

/// The stages of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireStage {
    /// A DNS query; one for each name and type asked for.
    LookUp,
    /// The connection, the datagram, the echo.
    Connect,
    /// The request on the connection before, with the TLS handshake that it needs.
    Request,
}

/// What carries a stage.
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
    /// A TCP reset, or an ICMP message that nobody listens there.
    Refused,
    /// The connection was accepted and then reset.
    Reset,
    /// An ICMP message or the own routing table says that the address cannot be reached.
    Unreachable,
    /// Nothing was heard for the whole time.
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
    /// The answer cannot be understood, or no TLS can be agreed on, as text.
    Garbled(String),
    /// It could not be made, for this reason.
    NotAttempted(String),
}
