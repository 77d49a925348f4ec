//! A UDP server socket that answers from the address that a datagram was sent to, on hosts with several addresses.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Protocol, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::{HomeAddress, at_home, plain};

/// The largest datagram.
const LARGEST: usize = 65_535;

/// The size of the receive buffer in bytes: the default holds less than 300 datagrams.
const ROOM: usize = 4 << 20;

/// A UDP socket on a port of the probe's address, or of all addresses.
pub(crate) struct Datagrams {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

/// The addresses of a datagram.
#[derive(Clone, Copy)]
pub(crate) struct DatagramEnds {
    /// The sender.
    pub(crate) peer: SocketAddr,
    /// The destination.
    to: Option<IpAddr>,
    /// The sender in the kernel's format.
    sender: SockaddrStorage,
}

impl Datagrams {
    pub(crate) fn bind(home: HomeAddress, port: u16) -> io::Result<Self> {
        let socket = at_home(home, port, Type::DGRAM, Protocol::UDP, |_| Ok(()))?;
        if socket.local_addr()?.is_ipv6() {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        // Without privileges the system's limit applies.
        if setsockopt(&socket, sockopt::RcvBufForce, &ROOM).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &ROOM)?;
        }
        Ok(Self { socket: UdpSocket::from_std(socket.into())?, buffer: vec![0; LARGEST] })
    }

    pub(crate) fn port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Receives the next datagram.
    pub(crate) async fn receive(&mut self) -> io::Result<(&[u8], DatagramEnds)> {
        let Self { socket, buffer } = self;
        let (length, ends) = socket
            .async_io(Interest::READABLE, || {
                let mut parts = [IoSliceMut::new(buffer)];
                let mut control = cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo);
                let received = recvmsg::<SockaddrStorage>(
                    socket.as_raw_fd(),
                    &mut parts,
                    Some(&mut control),
                    MsgFlags::MSG_DONTWAIT,
                )?;
                let sender =
                    received.address.ok_or_else(|| io::Error::other("a datagram without a sender"))?;
                let peer = address_of(&sender)
                    .ok_or_else(|| io::Error::other("a datagram whose sender has no internet address"))?;
                let to = received.cmsgs()?.find_map(|message| match message {
                    ControlMessageOwned::Ipv6PacketInfo(info) => {
                        Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
                    }
                    ControlMessageOwned::Ipv4PacketInfo(info) => {
                        Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into())
                    }
                    _ => None,
                });
                Ok((received.bytes, DatagramEnds { peer: plain(peer), to, sender }))
            })
            .await?;
        Ok((&self.buffer[..length], ends))
    }

    /// Answers a datagram.
    pub(crate) async fn answer(&self, ends: DatagramEnds, text: &[u8]) -> io::Result<()> {
        self.socket.async_io(Interest::WRITABLE, || send(&self.socket, ends, text)).await
    }
}

fn send(socket: &UdpSocket, ends: DatagramEnds, text: &[u8]) -> io::Result<()> {
    let parts = [IoSlice::new(text)];
    let deliver = |control: &[ControlMessage]| {
        sendmsg(socket.as_raw_fd(), &parts, control, MsgFlags::MSG_DONTWAIT, Some(&ends.sender))
    };
    match ends.to {
        Some(IpAddr::V6(from)) => {
            let address = libc::in6_addr { s6_addr: from.octets() };
            deliver(&[ControlMessage::Ipv6PacketInfo(&libc::in6_pktinfo {
                ipi6_addr: address,
                ipi6_ifindex: 0,
            })])
        }
        Some(IpAddr::V4(from)) => {
            let address = libc::in_addr { s_addr: u32::from_ne_bytes(from.octets()) };
            let none = libc::in_addr { s_addr: 0 };
            deliver(&[ControlMessage::Ipv4PacketInfo(&libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: address,
                ipi_addr: none,
            })])
        }
        None => deliver(&[]),
    }?;
    Ok(())
}

fn address_of(address: &SockaddrStorage) -> Option<SocketAddr> {
    address
        .as_sockaddr_in6()
        .map(|six| SocketAddr::new(six.ip().into(), six.port()))
        .or_else(|| address.as_sockaddr_in().map(|four| SocketAddr::new(four.ip().into(), four.port())))
}
