//! UDP: echoes what it receives.

use super::{Arrivals, Server, StartedServer};
use crate::mark;
use crate::socket::HomeAddress;
use crate::socket::datagrams::Datagrams;
use verdikt_wire::StageTransport;

/// Starts a server that reports each datagram before it answers.
pub(super) fn start(home: HomeAddress, port: u16, arrivals: Arrivals) -> StartedServer {
    let mut datagrams = Datagrams::bind(home, port)?;
    let port = datagrams.port()?;
    let serving = async move {
        loop {
            // Datagrams that cannot be received or answered are dropped.
            let Ok((text, ends)) = datagrams.receive().await else { continue };
            arrivals.tell(StageTransport::Udp, ends.peer, mark::attempt(text));
            let text = text.to_owned();
            // As above.
            let _ = datagrams.answer(ends, &text).await;
        }
    };
    Ok(Server::new(port, tokio::spawn(serving)))
}
