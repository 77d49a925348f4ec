//! The IP header and IPv6 extension headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Fragment, Tuple, Unreadable};

/// The largest number of extension headers of a packet; real ones have one or two.
const MOST_EXTENSIONS: usize = 8;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// Whether the packet must be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completeness {
    Whole,
    /// As quoted in ICMP errors: only the start.
    Beginning,
}

/// The contents of the IP header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    pub(super) hops: u8,
    pub(super) fragment: Option<Fragment>,
    /// The start of the transport header; never after `length`.
    pub(super) transport: usize,
    /// The end of the packet, never after the end of the bytes read.
    pub(super) length: usize,
}

impl Network {
    pub(super) fn tuple(&self, source_port: u16, destination_port: u16) -> Tuple {
        let Self { source, destination, protocol, .. } = *self;
        Tuple { source, destination, source_port, destination_port, protocol }
    }
}

pub(super) fn read(bytes: &[u8], extent: Completeness) -> Result<Network, Unreadable> {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => version_4(bytes, extent),
        Some(6) => version_6(bytes, extent),
        _ => Err(Unreadable::Version),
    }
}

/// The end of a packet of a claimed length within the bytes there are.
fn end(claimed: usize, bytes: &[u8], extent: Completeness) -> Result<usize, Unreadable> {
    match extent {
        Completeness::Whole if claimed > bytes.len() => Err(Unreadable::Length),
        _ => Ok(claimed.min(bytes.len())),
    }
}

fn version_4(bytes: &[u8], extent: Completeness) -> Result<Network, Unreadable> {
    let (header, _) = bytes.split_first_chunk::<20>().ok_or(Unreadable::Header)?;
    let transport = usize::from(header[0] & 0xf) * 4;
    let claimed = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let length = end(claimed, bytes, extent)?;
    if transport < 20 || transport > length {
        return Err(Unreadable::Length);
    }
    let place = u16::from_be_bytes([header[6], header[7]]);
    let offset = usize::from(place & 0x1fff) * 8;
    let more = place & 0x2000 != 0;
    let fragment = (more || offset > 0).then_some(Fragment {
        identification: u32::from(u16::from_be_bytes([header[4], header[5]])),
        protocol: header[9],
        begin: transport,
        offset,
        more,
    });
    if let Some(fragment) = fragment {
        check_fragment(fragment, claimed.saturating_sub(transport))?;
    }
    Ok(Network {
        source: Ipv4Addr::from([header[12], header[13], header[14], header[15]]).into(),
        destination: Ipv4Addr::from([header[16], header[17], header[18], header[19]]).into(),
        protocol: header[9],
        hops: header[8],
        fragment,
        transport,
        length,
    })
}

fn version_6(bytes: &[u8], extent: Completeness) -> Result<Network, Unreadable> {
    let (header, _) = bytes.split_first_chunk::<40>().ok_or(Unreadable::Header)?;
    let claimed = 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
    let length = end(claimed, bytes, extent)?;
    let (mut protocol, mut transport, mut fragment) = (header[6], 40, None::<Fragment>);
    let mut extensions = 0;
    while matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS) {
        extensions += 1;
        if extensions > MOST_EXTENSIONS {
            return Err(Unreadable::TooManyExtensions);
        }
        let rest = bytes.get(transport..length).unwrap_or_default();
        let (extension, _) = rest.split_first_chunk::<8>().ok_or(Unreadable::Header)?;
        let units = usize::from(extension[1]);
        let size = match protocol {
            HOP_BY_HOP if extensions > 1 => return Err(Unreadable::MisplacedExtension),
            ROUTING if extension[3] != 0 => return Err(Unreadable::SourceRoute),
            FRAGMENT if fragment.is_some() => return Err(Unreadable::MisplacedExtension),
            FRAGMENT => 8,
            AUTHENTICATION => (units + 2) * 4,
            _ => (units + 1) * 8,
        };
        if size > rest.len() {
            return Err(Unreadable::Header);
        }
        let this = std::mem::replace(&mut protocol, extension[0]);
        transport += size;
        if this != FRAGMENT {
            continue;
        }
        let place = u16::from_be_bytes([extension[2], extension[3]]);
        let (offset, more) = (usize::from(place & 0xfff8), place & 1 != 0);
        // A packet in a single fragment is a whole packet (RFC 8200, 4.5).
        if offset == 0 && !more {
            continue;
        }
        let identification = u32::from_be_bytes([extension[4], extension[5], extension[6], extension[7]]);
        let found = Fragment { identification, protocol, begin: transport, offset, more };
        check_fragment(found, claimed.saturating_sub(transport))?;
        fragment = Some(found);
        if offset > 0 {
            break;
        }
    }
    let address = |at: usize| -> IpAddr {
        let mut octets = [0; 16];
        octets.copy_from_slice(&header[at..at + 16]);
        Ipv6Addr::from(octets).into()
    };
    let (source, destination) = (address(8), address(24));
    Ok(Network { source, destination, protocol, hops: header[7], fragment, transport, length })
}

fn check_fragment(fragment: Fragment, payload: usize) -> Result<(), Unreadable> {
    let uneven = fragment.more && !payload.is_multiple_of(8);
    let too_long = fragment.offset + payload > usize::from(u16::MAX);
    if payload == 0 || uneven || too_long { Err(Unreadable::Fragment) } else { Ok(()) }
}
