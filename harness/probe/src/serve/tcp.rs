//! TCP: sends back what it receives, until the other side closes.

use tokio::io;

use super::{Arrivals, Started, connections};
use crate::socket::{self, Home};
use crate::wire::Transport;

/// Reports each connection as it is accepted.
pub(super) fn start(home: Home, port: u16, arrivals: Arrivals) -> Started {
    let listener = socket::listener(home, port)?;
    let port = listener.local_addr()?.port();
    let serving = connections::accept(listener, move |mut stream, peer| {
        arrivals.tell(Transport::Tcp, peer, None);
        async move {
            let (mut from, mut to) = stream.split();
            // The other side may close or reset whenever it likes.
            let _ = io::copy(&mut from, &mut to).await;
        }
    });
    Ok((port, tokio::spawn(serving)))
}
