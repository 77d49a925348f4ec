//! One connection, as far as the datapath carries it: from an endpoint or a proxy to an endpoint or a proxy.

use std::net::IpAddr;
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

/// The way of a packet within its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ConnectionDirection {
    /// As the packet that began it.
    Original,
    /// Back.
    Reply,
}

/// Who talks to whom, whatever services and proxies do to addresses on the way.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    /// The client's link, also where the packets come from a proxy.
    pub(super) client: LinkId,
    /// The client's and the server's true addresses and ports.
    pub(super) truth: Tuple,
    /// The type of an ICMP message.
    pub(super) icmp_kind: Option<u8>,
    /// The proxy's doing that it has passed already.
    pub(super) via: Option<Arc<Redirect>>,
}

impl Leg {
    /// As policies see it; none for a protocol they do not know.
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

    /// Whether it is an ICMP message that asks nothing.
    pub(super) fn needs_no_answer(&self) -> bool {
        let of_echoes =
            matches!((self.truth.protocol, self.icmp_kind), (ICMP, Some(0 | 8)) | (ICMP_V6, Some(128 | 129)));
        self.icmp_kind.is_some() && !of_echoes
    }

    /// The transport; none for one without ports.
    pub(super) fn transport(&self) -> Option<Protocol> {
        match self.protocol() {
            FlowProtocol::Port(protocol) => Some(protocol),
            _ => None,
        }
    }
}

/// The protocol of a packet as flows give it.
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
    pub(super) leg: Leg,
    /// Where its first packet came from.
    pub(super) from: LinkId,
    /// Where its packets go.
    pub(super) to: LinkId,
    /// The tuple as sent at `from`.
    pub(super) incoming: Tuple,
    /// The tuple as delivered at `to`.
    pub(super) outgoing: Tuple,
    /// The service's address and port that the client uses.
    pub(super) service: Option<(IpAddr, u16)>,
    /// The proxy it goes to.
    pub(super) redirect: Option<Arc<Redirect>>,
    /// Under which revision of the policy it was allowed; none where no policy applies.
    pub(super) judged: Option<u64>,
    /// Since when no more of its client's packets pass, as far as reported.
    pub(super) blocked: Option<Duration>,
    pub(super) life: Life,
}

/// How long a connection is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    answered: bool,
    finished: [bool; 2],
    reset: bool,
    pub(super) expires: Duration,
}

impl Life {
    /// Of a connection that a packet begins.
    pub(super) fn begin(content: PacketContent, at: Duration) -> Self {
        // Without its beginning, a TCP connection is taken for an established one.
        let answered = matches!(content, PacketContent::Tcp(flags) if !flags.opens());
        let mut life = Self { answered, finished: [false; 2], reset: false, expires: at };
        life.touch(content, ConnectionDirection::Original, at);
        life
    }

    /// A packet of the connection came by.
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

    /// Whether the server has answered and nobody has closed it.
    pub(super) fn is_established(&self) -> bool {
        self.answered && !self.is_closing()
    }
}
