//! Matches flows and arrivals to the attempts whose packets they report.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use verdikt_scenario::flow::{Flow, FlowProtocol};
use verdikt_scenario::observation::{Stage, StageKind};
use verdikt_scenario::topology::Protocol;

/// What identifies the packets of an attempt: the protocol, and the client's own address and port. The port is 0 for
/// an echo, which flows identify by its addresses alone; for another ICMP message it is the message's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PacketOrigin {
    /// The protocol; none for ICMP.
    pub protocol: Option<Protocol>,
    /// The address and port of the client.
    pub client: SocketAddr,
}

impl PacketOrigin {
    /// The origin of a stage's packets; none before its socket is known.
    pub fn of_stage(stage: &Stage) -> Option<Self> {
        let local = stage.local?;
        let of_message = || stage.remote.map_or(0, |remote| remote.port());
        let port = if stage.protocol.is_some() { local.port() } else { of_message() };
        Some(Self { protocol: stage.protocol, client: SocketAddr::new(local.ip(), port) })
    }

    /// Whether packets with this origin may be those of a stage: they have the stage's own origin, or the same port
    /// at one of the nodes that replace the client's address with their own (`relays`).
    pub fn is_of(&self, stage: &Stage, relays: &[IpAddr]) -> bool {
        let is_relayed = |own: &Self| {
            self.protocol == own.protocol
                && self.client.port() == own.client.port()
                && relays.contains(&self.client.ip())
        };
        Self::of_stage(stage).is_some_and(|own| *self == own || is_relayed(&own))
    }

    /// The origin of a flow in the original direction; none for packets that no attempt sends. Packets that a node or the
    /// gateway sends for a client have the client's origin.
    pub fn of_flow(flow: &Flow) -> Option<Self> {
        let client = flow.client.unwrap_or(flow.source.socket());
        let of_message =
            |port: u8| Self { protocol: None, client: SocketAddr::new(client.ip(), port.into()) };
        match flow.protocol {
            FlowProtocol::Port(protocol) => Some(Self { protocol: Some(protocol), client }),
            FlowProtocol::Icmp { v6: false, kind: 8 } | FlowProtocol::Icmp { v6: true, kind: 128 } => {
                Some(of_message(0))
            }
            // Echoes are answered by the kernel, and no attempt sends replies.
            FlowProtocol::Icmp { v6: false, kind: 0 }
            | FlowProtocol::Icmp { v6: true, kind: 129 }
            | FlowProtocol::Other(_) => None,
            FlowProtocol::Icmp { kind, .. } => Some(of_message(kind)),
        }
    }
}

/// Who may answer a look-up, by true addresses and ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DnsServers {
    /// Any server: the cluster decides, and it may be a cache on the node.
    #[default]
    Anybody,
    /// Only these.
    Known(Vec<SocketAddr>),
}

impl DnsServers {
    fn include(&self, is: impl Fn(&SocketAddr) -> bool) -> bool {
        match self {
            Self::Anybody => true,
            Self::Known(servers) => servers.iter().any(is),
        }
    }
}

/// Whether a flow reports the packets, the query or the request of a stage. It does if it has the stage's
/// [`PacketOrigin`], or that of one of the `relays`, and the stage's destination: the address the client used, one of
/// the backends of that service (`behind`), or for a look-up one of the DNS servers. A flow to another destination
/// was redirected by something unknown, and is no evidence.
pub fn is_of_stage(
    flow: &Flow,
    stage: &Stage,
    behind: &[SocketAddr],
    dns_servers: &DnsServers,
    relays: &[IpAddr],
) -> bool {
    let destination = flow.destination.socket();
    let is = |socket: &SocketAddr| {
        socket.ip() == destination.ip() && (stage.protocol.is_none() || socket.port() == destination.port())
    };
    PacketOrigin::of_flow(flow).is_some_and(|origin| origin.is_of(stage, relays))
        && (stage.remote.as_ref().is_some_and(is)
            || behind.iter().any(is)
            || stage.kind == StageKind::LookUp && dns_servers.include(is))
}

/// Whether a stage that has ended may have sent something at a time: afterwards the system may have given its port to
/// another attempt. A `bound` report never arrives before the stage starts, so the end of the stage is no later than
/// this.
pub fn may_have_sent(stage: &Stage, at: Duration) -> bool {
    at <= stage.began.saturating_add(stage.took)
}

#[cfg(test)]
mod tests;
