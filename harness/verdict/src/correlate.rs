//! Which flows and which arrivals belong to which attempt: those of its own packets.

use std::net::SocketAddr;

use verdikt_scenario::flow::{Flow, FlowProtocol};
use verdikt_scenario::observation::Stage;
use verdikt_scenario::topology::Protocol;

/// What an attempt's packets are known by: the protocol, and the client's own address and port. For an echo, which
/// flows know by its addresses alone, the port is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// None is ICMP.
    pub protocol: Option<Protocol>,
    /// The client.
    pub client: SocketAddr,
}

impl Origin {
    /// Of a stage; none before its socket is known.
    pub fn of_stage(stage: &Stage) -> Option<Self> {
        let local = stage.local?;
        let port = if stage.protocol.is_some() { local.port() } else { 0 };
        Some(Self { protocol: stage.protocol, client: SocketAddr::new(local.ip(), port) })
    }

    /// Of a flow of the original direction; none for what no attempt sends.
    pub fn of_flow(flow: &Flow) -> Option<Self> {
        let protocol = match flow.protocol {
            FlowProtocol::Port(protocol) => Some(protocol),
            FlowProtocol::Icmp { kind: 8 | 128, .. } => None,
            FlowProtocol::Icmp { .. } | FlowProtocol::Other(_) => return None,
        };
        Some(Self { protocol, client: flow.source.socket() })
    }
}

/// Whether a flow of the same [`Origin`] goes where a stage goes: to the address the client used, or to one that a
/// service leads to.
pub fn same_destination(flow: &Flow, stage: &Stage, behind: &[SocketAddr]) -> bool {
    let destination = flow.destination.socket();
    let is = |socket: &SocketAddr| {
        socket.ip() == destination.ip() && (stage.protocol.is_none() || socket.port() == destination.port())
    };
    stage.remote.as_ref().is_some_and(is) || behind.iter().any(is)
}
