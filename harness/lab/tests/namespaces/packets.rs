//! What goes through a site's device, and what a site may do.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::oneshot;
use tun_rs::{AsyncDevice, SyncDevice};
use verdikt_lab::namespace::{NamespaceMaker, NetnsSpec};

use crate::process::{Test, until};
use crate::roles::{any, v4, v6, wanted};

pub(crate) const TESTS: [Test; 3] = [
    ("two sites reach each other", reach),
    ("packets of every address of a prefix", prefixes),
    ("a site without IPv6 has none", one_family),
];

/// More than one packet holds.
const LONG: usize = 100_000;
/// A port below 1024.
const PORT: u16 = 80;
/// Every wait of a socket ends after this.
const PATIENCE: Duration = Duration::from_secs(10);

/// A packet as far as the tests look.
struct Seen {
    length: usize,
    source: IpAddr,
    destination: IpAddr,
}

fn see(packet: &[u8]) -> Seen {
    let v6 = |at: usize| <[u8; 16]>::try_from(&packet[at..at + 16]).unwrap().into();
    let v4 = |at: usize| <[u8; 4]>::try_from(&packet[at..at + 4]).unwrap().into();
    let (source, destination) = if packet[0] >> 4 == 6 { (v6(8), v6(24)) } else { (v4(12), v4(16)) };
    Seen { length: packet.len(), source, destination }
}

/// Carries packets between two devices, and notes them, until `done`.
fn carry(one: SyncDevice, other: SyncDevice, mut done: oneshot::Receiver<()>) -> [Vec<Seen>; 2] {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (one, other) = (AsyncDevice::new(one).unwrap(), AsyncDevice::new(other).unwrap());
        let mut seen = [Vec::new(), Vec::new()];
        let (mut first, mut second) = (vec![0; 4000], vec![0; 4000]);
        loop {
            tokio::select! {
                length = one.recv(&mut first) => {
                    let packet = &first[..length.unwrap()];
                    seen[0].push(see(packet));
                    other.send(packet).await.unwrap();
                }
                length = other.recv(&mut second) => {
                    let packet = &second[..length.unwrap()];
                    seen[1].push(see(packet));
                    one.send(packet).await.unwrap();
                }
                _ = &mut done => return seen,
            }
        }
    })
}

fn reach() {
    let maker = NamespaceMaker::start().unwrap();
    let (listens, listening) = std::sync::mpsc::channel();
    let (one, server) = maker
        .thread(wanted(0), move || {
            let own = [IpAddr::from(v4(0)), v6(0).into()];
            for address in own {
                let listener = TcpListener::bind((address, PORT)).unwrap();
                listens.send(SocketAddr::new(address, PORT)).unwrap();
                let (mut stream, peer) = listener.accept().unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                assert!([IpAddr::from(v4(1)), v6(1).into()].contains(&peer.ip()), "{peer}");
                let mut received = vec![0; LONG];
                stream.read_exact(&mut received).unwrap();
                stream.write_all(&received).unwrap();
            }
        })
        .wait()
        .unwrap();
    let (finish, done) = oneshot::channel();
    let (other, client) = maker
        .thread(wanted(1), move || {
            for address in listening {
                let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let sent: Vec<u8> = (0..LONG).map(|byte| u8::try_from(byte % 251).unwrap()).collect();
                stream.write_all(&sent).unwrap();
                let mut received = vec![0; LONG];
                stream.read_exact(&mut received).unwrap();
                assert!(received == sent, "other bytes came back from {address}");
                ping(address.ip());
            }
            finish.send(()).unwrap();
        })
        .wait()
        .unwrap();
    let seen = carry(one, other, done);
    server.join().unwrap();
    client.join().unwrap();
    let ends = [[IpAddr::from(v4(0)), v6(0).into()], [v4(1).into(), v6(1).into()]];
    for (number, packets) in seen.iter().enumerate() {
        // Nothing but what the test has sent: no discovery of neighbours, of routers, of groups.
        for packet in packets {
            assert!(ends[number].contains(&packet.source), "from {}", packet.source);
            assert!(ends[1 - number].contains(&packet.destination), "to {}", packet.destination);
        }
        assert_eq!(packets.iter().map(|packet| packet.length).max(), Some(1500));
    }
}

/// An echo request without privileges and its answer.
fn ping(to: IpAddr) {
    let (domain, protocol, kind) = match to {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(&SocketAddr::new(to, 0).into()).unwrap();
    socket.send(&[kind, 0, 0, 0, 0, 0, 0, 7, b'?']).unwrap();
    let mut answer = [0; 64];
    let length = (&socket).read(&mut answer).unwrap();
    assert_eq!(answer[6..length], [0, 7, b'?'], "the answer of {to}");
}

/// Sends from addresses of the prefixes, and receives what comes from elsewhere to them.
fn prefixes() {
    let maker = NamespaceMaker::start().unwrap();
    let prefixes =
        [("198.19.0.0", 16), ("fd98:13::", 64)].map(|(first, length)| (first.parse().unwrap(), length));
    let wanted = NetnsSpec { local_prefixes: prefixes.to_vec(), ..wanted(0) };
    let froms = [("198.19.3.4", "192.0.2.1"), ("fd98:13::1:7", "2001:db8::1")];
    let froms = froms.map(|(from, to)| (from.parse::<IpAddr>().unwrap(), to.parse::<IpAddr>().unwrap()));
    let (device, thread) = maker
        .thread(wanted, move || {
            for (from, to) in froms {
                let listener = TcpListener::bind((from, PORT)).unwrap();
                TcpStream::connect_timeout(&listener.local_addr().unwrap(), PATIENCE).unwrap();
                let socket = UdpSocket::bind((from, 5000)).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket.send_to(b"there and back", (to, 5000)).unwrap();
                let mut buffer = [0; 64];
                let (length, back) = socket.recv_from(&mut buffer).unwrap();
                assert_eq!((&buffer[..length], back), (&b"there and back"[..], (to, 5000).into()));
            }
        })
        .wait()
        .unwrap();
    device.set_nonblocking(true).unwrap();
    for (from, to) in froms {
        let mut buffer = [0; 2000];
        let mut length = 0;
        until("the packet", || {
            // Otherwise it would say why it sends nothing, and this would wait forever.
            assert!(!thread.is_finished());
            length = device.recv(&mut buffer).unwrap_or_default();
            length > 0
        });
        let packet = &mut buffer[..length];
        let seen = see(packet);
        assert_eq!((seen.source, seen.destination), (from, to));
        // With the ends exchanged, all checksums are still right: they are sums.
        let (at, size) = if from.is_ipv4() { (12, 4) } else { (8, 16) };
        let (one, other) = packet[at..at + 2 * size].split_at_mut(size);
        one.swap_with_slice(other);
        assert_eq!(device.send(packet).unwrap(), length);
    }
    thread.join().unwrap();
}

fn one_family() {
    let maker = NamespaceMaker::start().unwrap();
    let wanted = NetnsSpec { addresses: vec![v4(0).into()], ..wanted(0) };
    let work = || {
        let check = |to: IpAddr| {
            let socket = UdpSocket::bind((any(to), 0)).unwrap();
            socket.connect((to, 9)).map(|()| socket.local_addr().unwrap().ip()).map_err(|error| error.kind())
        };
        assert_eq!(check(v4(1).into()), Ok(v4(0).into()));
        assert_eq!(check(v6(1).into()), Err(std::io::ErrorKind::NetworkUnreachable));
    };
    maker.thread(wanted, work).wait().unwrap().1.join().unwrap();
}
