//! Addresses and routes, as netlink messages: <https://man7.org/linux/man-pages/man7/rtnetlink.7.html>.
//!
//! All messages of a namespace are sent in one datagram, so that it is configured in a fraction of a millisecond.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, LinkAttribute, LinkFlags, LinkMessage,
};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::whole;

/// The index of the loopback device in every namespace.
const LOOPBACK: u32 = 1;
/// The main routing table.
const MAIN_TABLE: u8 = 254;
/// The table of local addresses.
const LOCAL_TABLE: u8 = 255;
/// The length of the queue for packets to be carried: to lose none, it must hold what all attempts of a step send at
/// once.
const QUEUE: u32 = 8192;
/// Longer than any answer to these messages.
const ANSWERS: usize = 16 * 1024;

/// The state of IPv6 in a new namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewIpv6 {
    /// The kernel has none.
    None,
    /// It is switched off.
    Off,
    On,
}

/// The addresses and routes of a namespace.
pub(super) struct Routes<'a> {
    /// The index of the device that leads to everything else.
    pub(super) device: u32,
    /// Its addresses.
    pub(super) addresses: &'a [IpAddr],
    /// Prefixes whose every address is local to the namespace.
    pub(super) local_prefixes: &'a [(IpAddr, u8)],
    /// The state of IPv6 before.
    pub(super) ipv6: NewIpv6,
}

/// Brings the devices up and gives them addresses and routes.
pub(super) fn build(routes: &Routes<'_>) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let messages = messages(routes);
    let mut datagram = Vec::new();
    for (number, message) in (1..).zip(&messages) {
        append(&mut datagram, number, message.clone());
    }
    socket.send(&datagram, 0)?;
    let mut answered = 0;
    while answered < messages.len() {
        let mut buffer = Vec::with_capacity(ANSWERS);
        socket.recv(&mut buffer, 0)?;
        answered += answers(&buffer)?;
    }
    Ok(())
}

fn messages(routes: &Routes<'_>) -> Vec<RouteNetlinkMessage> {
    let mut messages = vec![up(LOOPBACK)];
    if routes.ipv6 != NewIpv6::None {
        messages.push(without_own_address(routes.device));
    }
    messages.push(up(routes.device));
    messages.extend(routes.addresses.iter().map(|address| own(routes.device, *address)));
    // The kernel adds the local route of an IPv6 address later, in a thread of its own. Until then packets to the
    // address are lost, which would look like a denial.
    let late = routes.addresses.iter().filter(|address| address.is_ipv6());
    messages.extend(late.map(|address| local(*address, whole(address))));
    messages.extend(routes.local_prefixes.iter().map(|(first, length)| local(*first, *length)));
    let families = [AddressFamily::Inet, AddressFamily::Inet6];
    let present =
        |family: &AddressFamily| routes.addresses.iter().any(|address| family_of(address) == *family);
    messages.extend(families.into_iter().filter(present).map(|family| everything(routes.device, family)));
    messages
}

/// Keeps the kernel from giving a device IPv6 addresses by itself, which sends packets: only attempts may send any.
fn without_own_address(device: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = device;
    let inet6 = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]);
    message.attributes = vec![LinkAttribute::AfSpecUnspec(vec![inet6])];
    RouteNetlinkMessage::SetLink(message)
}

fn up(device: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = device;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes = vec![LinkAttribute::TxQueueLen(QUEUE)];
    RouteNetlinkMessage::SetLink(message)
}

fn own(device: u32, address: IpAddr) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.index = device;
    message.header.family = family_of(&address);
    message.header.prefix_len = whole(&address);
    // No other device can have it; without this flag an IPv6 address is usable only after a while.
    message.header.flags = AddressHeaderFlags::Nodad;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    RouteNetlinkMessage::NewAddress(message)
}

fn local(first: IpAddr, length: u8) -> RouteNetlinkMessage {
    let mut message = route(LOOPBACK, family_of(&first));
    message.header.table = LOCAL_TABLE;
    message.header.kind = RouteType::Local;
    message.header.scope = RouteScope::Host;
    message.header.destination_prefix_length = length;
    message.attributes.push(RouteAttribute::Destination(first.into()));
    RouteNetlinkMessage::NewRoute(message)
}

fn everything(device: u32, family: AddressFamily) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewRoute(route(device, family))
}

fn route(device: u32, family: AddressFamily) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.header.table = MAIN_TABLE;
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = RouteType::Unicast;
    message.header.scope =
        if family == AddressFamily::Inet { RouteScope::Link } else { RouteScope::Universe };
    message.attributes.push(RouteAttribute::Oif(device));
    message
}

fn family_of(address: &IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn append(datagram: &mut Vec<u8>, number: u32, message: RouteNetlinkMessage) {
    let mut header = NetlinkHeader::default();
    header.sequence_number = number;
    header.flags = NLM_F_REQUEST | NLM_F_ACK;
    if !matches!(message, RouteNetlinkMessage::SetLink(_)) {
        header.flags |= NLM_F_CREATE | NLM_F_EXCL;
    }
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let begin = datagram.len();
    // Each message starts at a multiple of four.
    datagram.resize((begin + message.buffer_len()).next_multiple_of(4), 0);
    message.serialize(&mut datagram[begin..]);
}

/// The number of messages that the kernel accepted; the first error.
fn answers(mut buffer: &[u8]) -> io::Result<usize> {
    let mut count = 0;
    while !buffer.is_empty() {
        let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(buffer).map_err(io::Error::other)?;
        if let NetlinkPayload::Error(error) = answer.payload {
            if error.code.is_some() {
                return Err(error.to_io());
            }
            count += 1;
        }
        let length = usize::try_from(answer.header.length).unwrap_or(usize::MAX).next_multiple_of(4);
        buffer = buffer.get(length..).unwrap_or_default();
    }
    Ok(count)
}
