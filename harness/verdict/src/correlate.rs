//! Which flows and which arrivals belong to which attempt: those of its own packets.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use verdikt_scenario::flow::{Flow, FlowProtocol};
use verdikt_scenario::observation::{Stage, StageKind};
use verdikt_scenario::topology::Protocol;

/// What an attempt's packets are known by: the protocol, and the client's own address and port. For an echo, which
/// flows know by its addresses alone, the port is 0; for another ICMP message it is the message's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PacketOrigin {
    /// None is ICMP.
    pub protocol: Option<Protocol>,
    /// The client.
    pub client: SocketAddr,
}

impl PacketOrigin {
    /// Of a stage; none before its socket is known.
    pub fn of_stage(stage: &Stage) -> Option<Self> {
        let local = stage.local?;
        let of_message = || stage.remote.map_or(0, |remote| remote.port());
        let port = if stage.protocol.is_some() { local.port() } else { of_message() };
        Some(Self { protocol: stage.protocol, client: SocketAddr::new(local.ip(), port) })
    }

    /// Whether a stage's packets may have it: the stage's own, or the same port of one of the nodes that put their address
    /// in the place of the client's.
    pub fn is_of(&self, stage: &Stage, relays: &[IpAddr]) -> bool {
        let is_relayed = |own: &Self| {
            self.protocol == own.protocol
                && self.client.port() == own.client.port()
                && relays.contains(&self.client.ip())
        };
        Self::of_stage(stage).is_some_and(|own| *self == own || is_relayed(&own))
    }

    /// Of a flow of the original direction; none for what no attempt sends.
    pub fn of_flow(flow: &Flow) -> Option<Self> {
        let client = flow.source.socket();
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

/// Who may answer a look-up, by their true addresses and ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DnsServers {
    /// Whoever the cluster leads it to, which may be a cache on the node.
    #[default]
    Anybody,
    /// These, and nobody else.
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

/// Whether a flow is of the packets, the query or the request of a stage: it has the stage's [`PacketOrigin`], or that of one of
/// the `relays`, and goes
/// where the stage goes: to the address the client used, or to one of those that a service leads to (`behind`), or for
/// a look-up to one of the DNS servers. What goes elsewhere was led there by something that nobody knows of, and tells
/// nothing of the attempt.
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

/// Whether a stage that has ended can have sent something at a time: the system may have given its port to
/// another attempt since. What is heard of a stage's begin is never before the begin itself, so that its end is
/// no later than this.
pub fn may_have_sent(stage: &Stage, at: Duration) -> bool {
    at <= stage.began.saturating_add(stage.took)
}

#[cfg(test)]
mod tests;
