//! Sockets that know their own address before they send, and listeners for both families.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

pub(crate) mod datagrams;
mod home;

pub(crate) use home::Home;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// The address from which a probe sends to another one, found without sending, with a port that no other such
/// socket gets while this one lives.
pub(crate) fn reserved(home: Home, remote: IpAddr) -> io::Result<(Socket, SocketAddr)> {
    // Any port of the other side will do.
    let remote = SocketAddr::new(remote, 9);
    let socket = Socket::new(Domain::for_address(remote), Type::DGRAM, Some(Protocol::UDP))?;
    home.leave_from(&socket, remote.ip())?;
    socket.connect(&remote.into())?;
    let local = local_of(&socket)?;
    Ok((socket, local))
}

/// A TCP socket that will connect to `remote`, and its own address and port.
pub(crate) fn unconnected(home: Home, remote: SocketAddr) -> io::Result<(TcpSocket, SocketAddr)> {
    let (_, source) = reserved(home, remote.ip())?;
    let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind((source.ip(), 0).into())?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}

/// A socket that exchanges datagrams of a protocol with `remote` alone, and its own address; its port is what the
/// protocol has instead. ICMP messages about what it sends are errors of the next call.
pub(crate) fn connected(
    home: Home,
    remote: SocketAddr,
    kind: Type,
    protocol: Protocol,
) -> io::Result<(UdpSocket, SocketAddr)> {
    let domain = Domain::for_address(remote);
    let socket =
        if kind == Type::RAW { raw(domain, protocol) } else { Socket::new(domain, kind, Some(protocol)) }?;
    socket.set_nonblocking(true)?;
    if remote.is_ipv4() {
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
    } else {
        setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
    }
    home.leave_from(&socket, remote.ip())?;
    socket.connect(&remote.into())?;
    let local = local_of(&socket)?;
    Ok((UdpSocket::from_std(socket.into())?, local))
}

/// A raw socket, which needs a capability.
pub(crate) fn raw(domain: Domain, protocol: Protocol) -> io::Result<Socket> {
    Socket::new(domain, Type::RAW, Some(protocol)).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => io::Error::other("raw sockets are not allowed (CAP_NET_RAW)"),
        _ => error,
    })
}

/// A listener for TCP on the probe's own address, or on every address of both families, or of IPv4 where there is no
/// IPv6.
pub(crate) fn listener(home: Home, port: u16) -> io::Result<TcpListener> {
    let socket = at_home(home, port, Type::STREAM, Protocol::TCP, |socket| socket.set_reuse_address(true))?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Bound to a port of the probe's own address, or of every address. `prepare` is called before.
fn at_home(
    home: Home,
    port: u16,
    kind: Type,
    protocol: Protocol,
    prepare: impl Fn(&Socket) -> io::Result<()>,
) -> io::Result<Socket> {
    let of_both = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV6, kind, Some(protocol))?;
        socket.set_only_v6(false)?;
        prepare(&socket)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
        Ok(socket)
    };
    let of_one = |address: IpAddr| -> io::Result<Socket> {
        let address = SocketAddr::new(address, port);
        let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
        prepare(&socket)?;
        socket.bind(&address.into())?;
        Ok(socket)
    };
    let socket = match home.address() {
        Some(address) => of_one(address)?,
        None => match of_both() {
            Err(error) if without_ipv6(&error) => of_one(Ipv4Addr::UNSPECIFIED.into())?,
            made => made?,
        },
    };
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn without_ipv6(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|number| matches!(Errno::from_raw(number), Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL))
}

fn local_of(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| io::Error::other("the socket has no internet address"))
}

/// The part of an IPv4 packet after its header, whose length stands in its first byte in words of four bytes: raw
/// sockets of IPv4 have it, those of IPv6 do not.
pub(crate) fn without_ipv4_header(packet: &[u8], peer: SocketAddr) -> &[u8] {
    if peer.is_ipv6() {
        return packet;
    }
    let header = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    packet.get(header..).unwrap_or_default()
}

/// An address without the IPv6 form that sockets of both families give IPv4 addresses.
pub(crate) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
