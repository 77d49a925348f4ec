//! What is not answered, told apart.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::thread;

use socket2::{Domain, Socket, Type};
use verdikt_wire::{Action, WireOutcome, WireTarget};

use crate::process::{LONG, LOOPBACK, PROGRAM, Probe, SHORT, get, sctp, tcp, udp};

/// A socket on a port on which nobody hears: a TCP socket that does not listen, or a UDP one that has another peer.
fn deaf(kind: Type) -> (SocketAddr, Socket) {
    let socket = Socket::new(Domain::IPV4, kind, None).unwrap();
    socket.bind(&SocketAddr::new(LOOPBACK, 0).into()).unwrap();
    if kind == Type::DGRAM {
        socket.connect(&SocketAddr::new(LOOPBACK, 9).into()).unwrap();
    }
    (socket.local_addr().unwrap().as_socket().unwrap(), socket)
}

/// A listener that takes no more connections: the system drops what would begin one. Lives with the value.
pub(crate) fn full() -> (SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::new(LOOPBACK, 0).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut sockets = vec![listener];
    for _ in 0..3 {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let _ = client.connect(&address);
        sockets.push(client);
    }
    (address.as_socket().unwrap(), sockets)
}

#[test]
fn refused() {
    let mut probe = Probe::start();
    let (address, _stream) = deaf(Type::STREAM);
    probe.check(tcp(address), LONG, "connect tcp 127.0.0.1: refused\nrefused");
    let (datagrams, _socket) = deaf(Type::DGRAM);
    probe.check(udp(datagrams), LONG, "connect udp 127.0.0.1: refused\nrefused");
    probe.check(
        get(WireTarget::Address(LOOPBACK), address.port(), "/"),
        LONG,
        "connect tcp 127.0.0.1: refused\nrefused",
    );
}

#[test]
fn timed_out() {
    let mut probe = Probe::start();
    let (full, _sockets) = full();
    let silent = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    probe.check(tcp(full), SHORT, "connect tcp 127.0.0.1: timed-out\ntimed-out");
    probe.check(tcp(full), 0, "connect tcp 127.0.0.1: timed-out\ntimed-out");
    probe.check(udp(silent.local_addr().unwrap()), SHORT, "connect udp 127.0.0.1: timed-out\ntimed-out");
    let mut text = [0; 64];
    let (length, _) = silent.recv_from(&mut text).unwrap();
    assert_eq!(&text[..length], b"verdikt attempt 3", "sent once, with its number");
    silent.set_nonblocking(true).unwrap();
    assert!(silent.recv_from(&mut text).is_err(), "and not again");
}

#[test]
fn another_datagram_than_was_sent_is_garbled() {
    let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let (_, peer) = socket.recv_from(&mut [0; 64]).unwrap();
        socket.send_to(b"verdikt attempt 99", peer).unwrap();
    });
    let attempted = Probe::start().attempt(udp(address), LONG);
    assert!(matches!(attempted.outcome(), WireOutcome::Garbled(_)), "{:?}", attempted.outcome());
}

/// In a network namespace of its own, whose loopback is down: there is no route to anywhere, and nothing is bound.
#[test]
fn without_a_route_it_is_unreachable() {
    let made = ["--user", "--map-root-user", "--net"];
    if !Command::new("unshare").args(made).arg("true").status().is_ok_and(|status| status.success()) {
        println!("skipped: network namespaces are not allowed here");
        return;
    }
    let mut probe = Probe::start_through("unshare", made.into_iter().chain([PROGRAM]));
    for address in [([127, 0, 0, 1], 7).into(), SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 7))] {
        for action in [
            tcp(address),
            udp(address),
            sctp(address),
            Action::Ping { target: WireTarget::Address(address.ip()) },
        ] {
            probe.check(action, LONG, "unreachable");
        }
    }
}
