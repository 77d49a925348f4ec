//! SCTP: acknowledges requests for associations, without any state.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol};
use tokio::net::UdpSocket;

use super::{Arrivals, Server, StartedServer};
use crate::random;
use crate::sctp::{PROTOCOL, Packet, SctpContent};
use crate::socket::{self, HomeAddress};
use verdikt_wire::StageTransport;

/// Starts a server that reports each request before it acknowledges it. Requests to other ports get no answer.
///
/// If the kernel supports SCTP itself, it refuses the same requests.
pub(super) fn start(home: HomeAddress, port: u16, arrivals: Arrivals) -> StartedServer {
    let four = listener(home, Domain::IPV4)?;
    // Without IPv6 on the machine no request uses it.
    let six = listener(home, Domain::IPV6).ok();
    let (_reserved, address) = socket::reserved(HomeAddress::default(), IpAddr::from([127, 0, 0, 1]))?;
    let port = if port == 0 { address.port() } else { port };
    let serving = async move {
        tokio::join!(acknowledge(&four, port, &arrivals), async {
            match &six {
                Some(six) => acknowledge(six, port, &arrivals).await,
                None => pending().await,
            }
        });
    };
    Ok(Server::new(port, tokio::spawn(serving)))
}

fn listener(home: HomeAddress, domain: Domain) -> io::Result<UdpSocket> {
    let socket = socket::raw(domain, Protocol::from(PROTOCOL))?;
    if let Some(own) = home.address().filter(|own| own.is_ipv4() == (domain == Domain::IPV4)) {
        socket.bind(&SocketAddr::new(own, 0).into())?;
    }
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

async fn acknowledge(socket: &UdpSocket, port: u16, arrivals: &Arrivals) {
    let mut buffer = [0; 2048];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(packet) = Packet::read(socket::without_ipv4_header(&buffer[..length], peer)) else {
            continue;
        };
        let Packet { from, to, tag: 0, says: SctpContent::Init(tag) } = packet else { continue };
        if to == port {
            arrivals.tell(StageTransport::Sctp, SocketAddr::new(peer.ip(), from), None);
            let answer = Packet { from: port, to: from, tag, says: SctpContent::InitAck(random::tag()) };
            // A request that cannot be answered is dropped.
            let _ = socket.send_to(&answer.bytes(), peer).await;
        }
    }
}
