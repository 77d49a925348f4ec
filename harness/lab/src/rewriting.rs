//! Detects whether something on this machine rewrites addresses of the lab in the sockets of its processes.
//!
//! If Cilium replaces kube-proxy, eBPF programs of the root cgroup do so for every process, in any network namespace:
//! with the addresses of its services, inside and outside the cluster, and the ports that services have at its nodes.
//! A socket does not show it, because its peer address is rewritten back; only its packets do.
//! <https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/#socket-loadbalancer-bypass-in-pod-namespace>

mod sockets;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::sync::oneshot;
use tun_rs::SyncDevice;
use verdikt_scenario::topology::Protocol;

use crate::namespace::{NamespaceMaker, NetnsError, NetnsSpec, NetnsStep};
use crate::packet::{TCP, Tuple, UDP, parse};

pub(crate) use self::sockets::to_try;

/// The first of the addresses from which sockets are tested.
const HOME_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// See [`HOME_V4`].
const HOME_V6: Ipv6Addr = Ipv6Addr::new(0xfd98, 0x12, 0, 0, 0, 0, 0, 2);
/// The number of tests at the same time, with two sockets each at most.
const TOGETHER: usize = 100;
/// How long a packet may take from a socket to the device.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than any packet of a test.
const LONGEST: usize = 1500;

/// Where attempts of the lab go.
pub(crate) type TriedSocket = (Protocol, SocketAddr);

/// The actual destination of packets to a socket of the lab on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The transport.
    pub protocol: Protocol,
    /// The address and port that clients use.
    pub socket: SocketAddr,
    /// The destination.
    pub to: RewrittenTo,
}

/// The actual destination of packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RewrittenTo {
    /// This address and port.
    Socket(SocketAddr),
    /// Nowhere: no packet is sent.
    Nowhere,
    /// Nowhere: the system refuses the socket with this error.
    Refused(io::ErrorKind),
}

impl fmt::Display for Rewritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, socket, to } = self;
        match to {
            RewrittenTo::Socket(other) => write!(f, "{protocol} {socket} becomes {protocol} {other}"),
            RewrittenTo::Nowhere => write!(f, "no packet to {protocol} {socket} is sent"),
            RewrittenTo::Refused(kind) => write!(f, "{protocol} {socket} is refused to sockets: {kind}"),
        }
    }
}

/// All rewritten sockets; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewrittenSockets(pub Vec<Rewritten>);

impl fmt::Display for RewrittenSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(all) = self;
        if let Some(first) = all.first() {
            first.fmt(f)?;
        }
        match all.len() {
            0 | 1 => Ok(()),
            count => write!(f, ", and {} more", count - 1),
        }
    }
}

/// A socket of this machine that was made to send something.
struct Sent {
    to: TriedSocket,
    from: io::Result<u16>,
}

/// Tests sockets in a namespace of its own; returns the rewritten ones in order.
pub(crate) async fn rewritten(
    maker: &NamespaceMaker,
    sockets: &[TriedSocket],
) -> Result<Vec<Rewritten>, NetnsError> {
    let mut found = Vec::new();
    for sockets in sockets.chunks(TOGETHER) {
        let (tell, told) = oneshot::channel();
        let wanted = NetnsSpec {
            name: "the trial of sockets".to_owned(),
            addresses: homes(sockets),
            local_prefixes: Vec::new(),
        };
        let (name, of_thread) = (wanted.name.clone(), sockets.to_vec());
        let making = maker.thread(wanted, move || {
            // The receiver is gone only if the lab has panicked.
            let _ = tell.send(send_all(&of_thread));
        });
        let (device, _) = making.await?;
        let failed = |source| NetnsError::Make { name, step: NetnsStep::Thread, source };
        let sent = told.await.map_err(|_| failed(io::Error::other("it has ended")))?;
        found.extend(compare(sent, &device));
    }
    Ok(found)
}

/// An address of each family that none of the sockets has: packets to it would not leave the namespace.
fn homes(sockets: &[TriedSocket]) -> Vec<IpAddr> {
    // At least one of these is free.
    let offsets = 0..=u16::try_from(sockets.len()).unwrap_or(u16::MAX);
    let is_free = |home: &IpAddr| sockets.iter().all(|(_, socket)| socket.ip() != *home);
    let v4 = |offset: u16| IpAddr::V4((u32::from(HOME_V4) + u32::from(offset)).into());
    let v6 = |offset: u16| IpAddr::V6((u128::from(HOME_V6) + u128::from(offset)).into());
    let first = offsets.clone().map(v4).find(is_free);
    first.into_iter().chain(offsets.map(v6).find(is_free)).collect()
}

/// Sends something to every socket in every way that clients do.
fn send_all(sockets: &[TriedSocket]) -> Vec<Sent> {
    // All clients stay open, so that no two have the same port.
    let mut open = Vec::new();
    let mut sent = Vec::new();
    for &(protocol, socket) in sockets {
        let ways: &[fn(&SockAddr) -> io::Result<Socket>] = match protocol {
            Protocol::Tcp => &[connect],
            Protocol::Udp => &[send_connected, send_unconnected],
            Protocol::Sctp => &[],
        };
        for way in ways {
            let from = way(&socket.into()).and_then(|client| {
                let local = client.local_addr()?.as_socket();
                open.push(client);
                local.map(|local| local.port()).ok_or_else(|| io::Error::other("it has no port"))
            });
            sent.push(Sent { to: (protocol, socket), from });
        }
    }
    sent
}

fn connect(to: &SockAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::from(i32::from(to.family())), Type::STREAM, None)?;
    // A port of its own: one that `connect` chooses may be in use by another connection, to another address.
    let any = to.as_socket_ipv4().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |_| Ipv4Addr::UNSPECIFIED.into());
    socket.bind(&SocketAddr::new(any, 0).into())?;
    socket.set_nonblocking(true)?;
    match socket.connect(to) {
        Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}

fn send_connected(to: &SockAddr) -> io::Result<Socket> {
    let socket = datagrams(to)?;
    socket.connect(to)?;
    socket.send(b"verdikt")?;
    Ok(socket)
}

fn send_unconnected(to: &SockAddr) -> io::Result<Socket> {
    let socket = datagrams(to)?;
    socket.send_to(b"verdikt", to)?;
    Ok(socket)
}

fn datagrams(to: &SockAddr) -> io::Result<Socket> {
    Socket::new(Domain::from(i32::from(to.family())), Type::DGRAM, None)
}

/// Compares what was sent with the packets on the device.
fn compare(sent: Vec<Sent>, device: &SyncDevice) -> Vec<Rewritten> {
    let key = |sent: &Sent| Some((number(sent.to.0)?, *sent.from.as_ref().ok()?));
    let expected: Vec<(u8, u16)> = sent.iter().filter_map(key).collect();
    let seen = packets(device, &expected);
    let mut found: Vec<Rewritten> = Vec::new();
    for sent in sent {
        let (protocol, socket) = sent.to;
        let to = match (&sent.from, key(&sent).and_then(|key| seen.get(&key))) {
            (_, Some(seen)) if *seen == socket => continue,
            (_, Some(seen)) => RewrittenTo::Socket(*seen),
            (Err(error), None) => RewrittenTo::Refused(error.kind()),
            (Ok(_), None) => RewrittenTo::Nowhere,
        };
        let rewritten = Rewritten { protocol, socket, to };
        if !found.contains(&rewritten) {
            found.push(rewritten);
        }
    }
    found
}

/// The destination of the first packet from each port, while packets are expected.
fn packets(device: &SyncDevice, expected: &[(u8, u16)]) -> BTreeMap<(u8, u16), SocketAddr> {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = BTreeMap::new();
    let mut buffer = [0; LONGEST];
    while expected.iter().any(|key| !seen.contains_key(key)) {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut ready = [PollFd::new(device.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        match poll(&mut ready, timeout) {
            // A signal for another part of the program.
            Err(Errno::EINTR) => continue,
            // An error means the same as no packet.
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let Ok(length) = device.recv(&mut buffer) else { break };
        let Ok(headers) = parse(&buffer[..length]) else { continue };
        let Tuple { destination, source_port, destination_port, protocol, .. } = headers.tuple;
        let to = SocketAddr::new(destination, destination_port);
        seen.entry((protocol, source_port)).or_insert(to);
    }
    seen
}

fn number(protocol: Protocol) -> Option<u8> {
    match protocol {
        Protocol::Tcp => Some(TCP),
        Protocol::Udp => Some(UDP),
        // No socket load balancer knows it.
        Protocol::Sctp => None,
    }
}
