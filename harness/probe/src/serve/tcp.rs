//! TCP: echoes what it receives, until the other side closes.

use tokio::io;
use tokio::sync::mpsc;

use super::{Arrivals, Server, StartedServer, connections};
use crate::socket::{self, HomeAddress};
use verdikt_wire::StageTransport;

/// Starts a server that reports each connection when it is accepted.
pub(super) fn start(home: HomeAddress, port: u16, arrivals: Arrivals) -> StartedServer {
    let listener = socket::listener(home, port)?;
    let port = listener.local_addr()?.port();
    let (fences, asked) = mpsc::unbounded_channel();
    let serving = connections::accept(listener, asked, move |mut stream, peer| {
        arrivals.tell(StageTransport::Tcp, peer, None);
        async move {
            let (mut from, mut to) = stream.split();
            // The client may close or reset at any time.
            let _ = io::copy(&mut from, &mut to).await;
        }
    });
    Ok(Server::accepting(port, tokio::spawn(serving), fences))
}
