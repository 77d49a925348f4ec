//! Sockets that are bound to a known address before they send, and listeners for both families.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

pub(crate) mod datagrams;
mod home;

pub(crate) use home::HomeAddress;

/// The backlog of listeners.
const BACKLOG: i32 = 1024;

/// Finds the source address for a remote address without sending anything, and reserves a port there while the socket
/// exists.
pub(crate) fn reserved(home: HomeAddress, remote: IpAddr) -> io::Result<(Socket, SocketAddr)> {
    // The remote port does not matter.
    let remote = SocketAddr::new(remote, 9);
    let socket = Socket::new(Domain::for_address(remote), Type::DGRAM, Some(Protocol::UDP))?;
    home.leave_from(&socket, remote.ip())?;
    socket.connect(&remote.into())?;
    let local = local_of(&socket)?;
    Ok((socket, local))
}

/// Opens a TCP socket for a connection to `remote`. Returns it with its own address and port.
pub(crate) fn unconnected(home: HomeAddress, remote: SocketAddr) -> io::Result<(TcpSocket, SocketAddr)> {
    let (_, source) = reserved(home, remote.ip())?;
    let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind((source.ip(), 0).into())?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}

/// Opens a datagram socket that is connected to `remote`. Returns it with its own address, whose port is the
/// protocol's identifier. ICMP errors about its packets are errors of the next call.
pub(crate) fn connected(
    home: HomeAddress,
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

/// Opens a raw socket, which needs `CAP_NET_RAW`.
pub(crate) fn raw(domain: Domain, protocol: Protocol) -> io::Result<Socket> {
    Socket::new(domain, Type::RAW, Some(protocol)).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => io::Error::other("raw sockets are not allowed (CAP_NET_RAW)"),
        _ => error,
    })
}

/// Opens a TCP listener on the probe's address, or on all addresses of both families (of IPv4 if there is no IPv6).
pub(crate) fn listener(home: HomeAddress, port: u16) -> io::Result<TcpListener> {
    let socket = at_home(home, port, Type::STREAM, Protocol::TCP, |socket| socket.set_reuse_address(true))?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Binds a socket to a port of the probe's address, or of all addresses. `prepare` is called before.
fn at_home(
    home: HomeAddress,
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

/// Strips the IPv4 header, which raw sockets of IPv4 return and those of IPv6 do not. Its length is in the first byte,
/// in words of four bytes.
pub(crate) fn without_ipv4_header(packet: &[u8], peer: SocketAddr) -> &[u8] {
    if peer.is_ipv6() {
        return packet;
    }
    let header = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    packet.get(header..).unwrap_or_default()
}

/// Converts an IPv4-mapped IPv6 address to IPv4.
pub(crate) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
