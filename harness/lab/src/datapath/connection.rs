//! One connection in the datapath, between two of endpoints and proxies.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use verdikt_engine::decide::Traffic;
use verdikt_scenario::flow::FlowProtocol;
use verdikt_scenario::topology::Protocol;

use super::LinkId;
use crate::packet::{ICMP, ICMP_V6, PacketContent, SCTP, TCP, Tuple, UDP};
use crate::redirect::Redirect;

/// Idle times after which Cilium forgets a connection.
/// <https://docs.cilium.io/en/stable/cmdref/cilium-agent/> (`bpf-ct-timeout-…`)
const TCP_OPENING: Duration = Duration::from_mins(1);
const TCP_ESTABLISHED: Duration = Duration::from_secs(8000);
const TCP_CLOSING: Duration = Duration::from_secs(10);
const OTHER: Duration = Duration::from_mins(1);

/// The direction of a packet within its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ConnectionDirection {
    /// The direction of the first packet.
    Original,
    /// The opposite direction.
    Reply,
}

/// The true client and server, whatever services and proxies do to the addresses.
#[derive(Clone, Debug)]
pub(super) struct ConnectionEnds {
    /// The client's link, even if the packets come from a proxy.
    pub(super) client: LinkId,
    /// For whom the client, a node or the gateway, has made it.
    pub(super) made_for: Option<SocketAddr>,
    /// The client's and the server's true addresses and ports.
    pub(super) truth: Tuple,
    /// The type of an ICMP message.
    pub(super) icmp_kind: Option<u8>,
    /// The redirect that it has passed already.
    pub(super) via: Option<Arc<Redirect>>,
}

impl ConnectionEnds {
    /// The traffic as policies see it; none for a protocol that they do not know.
    pub(super) fn traffic(&self) -> Option<Traffic> {
        match self.protocol() {
            FlowProtocol::Port(protocol) => Some(Traffic::Port(protocol, self.truth.destination_port)),
            FlowProtocol::Icmp { v6, kind } => Some(Traffic::Icmp { v6, kind }),
            FlowProtocol::Other(_) => None,
        }
    }

    pub(super) fn protocol(&self) -> FlowProtocol {
        flow_protocol(&self.truth, self.icmp_kind)
    }

    /// Whether it is an ICMP message that expects no answer.
    pub(super) fn needs_no_answer(&self) -> bool {
        let of_echoes =
            matches!((self.truth.protocol, self.icmp_kind), (ICMP, Some(0 | 8)) | (ICMP_V6, Some(128 | 129)));
        self.icmp_kind.is_some() && !of_echoes
    }

    /// The transport protocol; none if it has no ports.
    pub(super) fn transport(&self) -> Option<Protocol> {
        match self.protocol() {
            FlowProtocol::Port(protocol) => Some(protocol),
            _ => None,
        }
    }
}

/// The protocol of a packet, as in flows.
pub(super) fn flow_protocol(tuple: &Tuple, icmp_kind: Option<u8>) -> FlowProtocol {
    match (tuple.protocol, icmp_kind) {
        (TCP, _) => FlowProtocol::Port(Protocol::Tcp),
        (UDP, _) => FlowProtocol::Port(Protocol::Udp),
        (SCTP, _) => FlowProtocol::Port(Protocol::Sctp),
        (_, Some(kind)) => FlowProtocol::Icmp { v6: tuple.source.is_ipv6(), kind },
        (number, None) => FlowProtocol::Other(number),
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct TrackedConnection {
    pub(super) ends: ConnectionEnds,
    /// The link of its first packet.
    pub(super) from: LinkId,
    /// The link that its packets go to.
    pub(super) to: LinkId,
    /// The tuple as sent at `from`.
    pub(super) incoming: Tuple,
    /// The tuple as delivered at `to`.
    pub(super) outgoing: Tuple,
    /// The service's address and port that the client uses.
    pub(super) service: Option<(IpAddr, u16)>,
    /// The proxy that it goes to.
    pub(super) redirect: Option<Arc<Redirect>>,
    /// The revision of the policy that allowed it; none if no policy applies.
    pub(super) decided: Option<u64>,
    /// The time since which further packets of its client are stopped, as far as reported.
    pub(super) blocked: Option<Duration>,
    pub(super) life: Lifetime,
}

impl TrackedConnection {
    /// The client that the server at its end does not see. At the end of one to a proxy is no server.
    pub(super) fn hidden_client(&self) -> Option<SocketAddr> {
        self.ends.made_for.filter(|_| self.redirect.is_none())
    }
}

/// How long a connection is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    answered: bool,
    finished: [bool; 2],
    reset: bool,
    pub(super) expires: Duration,
}

impl Lifetime {
    /// The lifetime of a connection that a packet opens.
    pub(super) fn begin(content: PacketContent, at: Duration) -> Self {
        // A TCP connection whose start was not seen counts as established.
        let answered = matches!(content, PacketContent::Tcp(flags) if !flags.opens());
        let mut life = Self { answered, finished: [false; 2], reset: false, expires: at };
        life.touch(content, ConnectionDirection::Original, at);
        life
    }

    /// Records a packet of the connection.
    pub(super) fn touch(&mut self, content: PacketContent, way: ConnectionDirection, at: Duration) {
        if self.is_closing() {
            return;
        }
        self.answered |= way == ConnectionDirection::Reply;
        if let PacketContent::Tcp(flags) = content {
            self.finished[usize::from(way == ConnectionDirection::Reply)] |= flags.fin();
            self.reset |= flags.reset();
        }
        self.expires = at + self.timeout(content);
    }

    fn timeout(&self, content: PacketContent) -> Duration {
        match content {
            PacketContent::Tcp(_) if self.is_closing() => TCP_CLOSING,
            PacketContent::Tcp(_) if self.answered => TCP_ESTABLISHED,
            PacketContent::Tcp(_) => TCP_OPENING,
            _ => OTHER,
        }
    }

    /// Whether both sides have closed it, or one has reset it.
    pub(super) fn is_closing(&self) -> bool {
        self.reset || self.finished == [true; 2]
    }

    /// Whether the server has answered and neither side has closed it.
    pub(super) fn is_established(&self) -> bool {
        self.answered && !self.is_closing()
    }
}
