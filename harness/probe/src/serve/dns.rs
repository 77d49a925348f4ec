//! DNS over UDP and TCP, on the same port.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{Arrivals, Server, StartedServer, connections};
use crate::mark;
use crate::socket::datagrams::Datagrams;
use crate::socket::{self, HomeAddress};
use answer::Names;
use verdikt_wire::{StageTransport, Zone};

mod answer;

/// How often a random port is tried that has to be free for both protocols.
const CHOICES: usize = 16;

/// The names that a server answers for.
#[derive(Clone)]
pub(super) struct SharedNames(Arc<RwLock<Names>>);

impl SharedNames {
    /// Has it answer for others.
    pub(super) fn replace(&self, zone: &Zone) -> Result<(), String> {
        let names = Names::of(zone)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = names;
        Ok(())
    }

    fn answer<T>(&self, answer: impl FnOnce(&Names) -> T) -> T {
        answer(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reports each connection as it is accepted, and each query before it is answered.
pub(super) fn start(home: HomeAddress, port: u16, zone: &Zone, arrivals: Arrivals) -> StartedServer {
    let names = Names::of(zone).map_err(io::Error::other)?;
    let names = SharedNames(Arc::new(RwLock::new(names)));
    let (datagrams, listener) = bind(home, port)?;
    let port = datagrams.port()?;
    let (fences, asked) = mpsc::unbounded_channel();
    let shared = names.clone();
    let serving = async move {
        tokio::join!(
            over_udp(datagrams, names.clone(), arrivals.clone()),
            connections::accept(listener, asked, |stream, peer| {
                // A connection without a query is an arrival too.
                arrivals.tell(StageTransport::Tcp, peer, None);
                let (names, arrivals) = (names.clone(), arrivals.clone());
                async move {
                    // The other side may close or reset at any time.
                    let _ = over_tcp(stream, &names, || arrivals.tell(StageTransport::Tcp, peer, None)).await;
                }
            }),
        );
    };
    Ok(Server::answering(port, tokio::spawn(serving), fences, shared))
}

fn bind(home: HomeAddress, port: u16) -> io::Result<(Datagrams, TcpListener)> {
    let mut choices = 1;
    loop {
        let datagrams = Datagrams::bind(home, port)?;
        match socket::listener(home, datagrams.port()?) {
            Ok(listener) => return Ok((datagrams, listener)),
            Err(error) if port == 0 && error.kind() == io::ErrorKind::AddrInUse && choices < CHOICES => {
                choices += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn over_udp(mut datagrams: Datagrams, names: SharedNames, arrivals: Arrivals) {
    loop {
        let Ok((text, ends)) = datagrams.receive().await else { continue };
        let attempt = mark::attempt(text);
        arrivals.tell(StageTransport::Udp, ends.peer, attempt);
        // An attempt's datagram that is not a query is echoed, as by a UDP server.
        let answer = names.answer(|names| names.answer_datagram(text));
        if let Some(answer) = answer.or_else(|| attempt.map(|_| text.to_owned())) {
            // Datagrams that cannot be received, decoded or answered are dropped.
            let _ = datagrams.answer(ends, &answer).await;
        }
    }
}

/// Answers the queries of a connection in order, until one is malformed.
async fn over_tcp(mut stream: TcpStream, names: &SharedNames, arrived: impl Fn()) -> io::Result<()> {
    loop {
        let mut query = vec![0; stream.read_u16().await?.into()];
        stream.read_exact(&mut query).await?;
        arrived();
        let Some(answer) = names.answer(|names| names.answer_stream(&query)) else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat()).await?;
    }
}
