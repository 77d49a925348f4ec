//! IP packets as the datapath reads and rewrites them.
//!
//! Whatever the bytes, reading never panics: it answers [`Malformed`]. Rewriting keeps every checksum right.

mod checksum;
mod rewrite;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use rewrite::{Ends, age, rewrite, rewrite_error};

/// Protocol numbers. <https://www.iana.org/assignments/protocol-numbers>
pub mod number {
    #![expect(missing_docs, reason = "each is the protocol's name")]
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ICMPV6: u8 = 58;
    pub const SCTP: u8 = 132;
}

/// A packet that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The address it comes from.
    pub source: IpAddr,
    /// The address it goes to.
    pub destination: IpAddr,
    /// The protocol it carries.
    pub protocol: u8,
    /// Where that protocol's header begins.
    pub payload: usize,
    /// How long the packet is; what follows in the buffer is no part of it.
    pub length: usize,
    /// How many more hops it may make.
    pub hops: u8,
    /// Which part of a datagram it is; none for a whole one.
    pub fragment: Option<Fragment>,
    /// What the header of its protocol says. Not to be read in a later fragment.
    pub transport: Transport,
}

/// A part of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The datagram.
    pub identification: u32,
    /// Whether it is the first part, which has the ports.
    pub first: bool,
}

/// What the header of a protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Ports, and for TCP the flags.
    Ports {
        /// The port it comes from.
        source: u16,
        /// The port it goes to.
        destination: u16,
        /// FIN 1, SYN 2, RST 4, ACK 16; 0 for other protocols.
        flags: u8,
    },
    /// An ICMP message; for an echo with its identifier.
    Icmp {
        /// Its type.
        kind: u8,
        /// The identifier of an echo request or reply.
        echo: Option<u16>,
        /// Whether it reports an error of the packet it holds.
        error: bool,
    },
    /// A protocol without ports, or a later fragment.
    Unknown,
}

/// Why a packet cannot be read; a fragment for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// TCP's flags.
pub mod flag {
    #![expect(missing_docs, reason = "each is the flag's name")]
    pub const FIN: u8 = 1;
    pub const SYN: u8 = 2;
    pub const RST: u8 = 4;
    pub const ACK: u8 = 16;
}

/// Where the header of the transport begins in an ICMP message that holds a packet.
const ICMP_HEADER: usize = 8;
/// IPv6 extension headers: hop-by-hop options, routing, destination options.
const OPTIONS: [u8; 3] = [0, 43, 60];
const FRAGMENT: u8 = 44;

impl Packet {
    /// Reads a packet.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::read_header(bytes)?.with_transport(bytes)
    }

    /// Reads the packet that an ICMP error holds, of which only the beginning is there.
    pub fn read_held(&self, bytes: &[u8]) -> Result<Self, Malformed> {
        let held = bytes.get(self.payload + ICMP_HEADER..self.length).ok_or(Malformed("short ICMP error"))?;
        let mut packet = Self::read_header_of(held, true)?;
        let start = packet.payload;
        packet.transport = match packet.protocol {
            number::TCP | number::UDP | number::SCTP => {
                Transport::Ports { source: word(held, start)?, destination: word(held, start + 2)?, flags: 0 }
            }
            number::ICMP | number::ICMPV6 => icmp(held, packet.protocol, start)?,
            _ => Transport::Unknown,
        };
        Ok(packet)
    }

    /// Where the packet that an ICMP error holds begins.
    pub fn held(&self) -> usize {
        self.payload + ICMP_HEADER
    }

    fn read_header(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::read_header_of(bytes, false)
    }

    fn read_header_of(bytes: &[u8], cut: bool) -> Result<Self, Malformed> {
        match bytes.first().map(|first| first >> 4) {
            Some(4) => read_v4(bytes, cut),
            Some(6) => read_v6(bytes, cut),
            Some(_) => Err(Malformed("neither IPv4 nor IPv6")),
            None => Err(Malformed("empty packet")),
        }
    }

    fn with_transport(mut self, bytes: &[u8]) -> Result<Self, Malformed> {
        if self.fragment.is_some_and(|fragment| !fragment.first) {
            return Ok(self);
        }
        let bytes = bytes.get(..self.length).ok_or(Malformed("truncated packet"))?;
        let start = self.payload;
        let ports = |flags| -> Result<Transport, Malformed> {
            let (source, destination) = (word(bytes, start)?, word(bytes, start + 2)?);
            Ok(Transport::Ports { source, destination, flags })
        };
        self.transport = match self.protocol {
            number::TCP => {
                let header = usize::from(byte(bytes, start + 12)? >> 4) * 4;
                if header < 20 || start + header > self.length {
                    return Err(Malformed("truncated TCP header"));
                }
                ports(byte(bytes, start + 13)?)?
            }
            number::UDP => {
                let length = usize::from(word(bytes, start + 4)?);
                if length < 8 || self.fragment.is_none() && start + length > self.length {
                    return Err(Malformed("truncated UDP datagram"));
                }
                ports(0)?
            }
            number::SCTP => {
                word(bytes, start + 10)?;
                ports(0)?
            }
            number::ICMP if self.source.is_ipv4() => icmp(bytes, self.protocol, start)?,
            number::ICMPV6 if self.source.is_ipv6() => icmp(bytes, self.protocol, start)?,
            number::ICMP | number::ICMPV6 => return Err(Malformed("ICMP of the other family")),
            _ => Transport::Unknown,
        };
        Ok(self)
    }
}

fn icmp(bytes: &[u8], protocol: u8, start: usize) -> Result<Transport, Malformed> {
    let kind = byte(bytes, start)?;
    let (echo, error) = if protocol == number::ICMP {
        (matches!(kind, 0 | 8), matches!(kind, 3 | 4 | 5 | 11 | 12))
    } else {
        (matches!(kind, 128 | 129), kind < 128)
    };
    let identifier = word(bytes, start + 4)?;
    byte(bytes, start + ICMP_HEADER - 1)?;
    Ok(Transport::Icmp { kind, echo: echo.then_some(identifier), error })
}

fn read_v4(bytes: &[u8], cut: bool) -> Result<Packet, Malformed> {
    let short = Malformed("truncated IPv4 header");
    let header: &[u8; 20] = bytes.first_chunk().ok_or(short)?;
    let payload = usize::from(header[0] & 15) * 4;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if payload < 20 || length < payload || payload > bytes.len() {
        return Err(short);
    }
    if length > bytes.len() && !cut {
        return Err(Malformed("truncated packet"));
    }
    if !cut && checksum::sum(&bytes[..payload]) != 0xffff {
        return Err(Malformed("wrong IPv4 checksum"));
    }
    let offset = u16::from_be_bytes([header[6], header[7]]);
    let (more, offset) = (offset & 0x2000 != 0, offset & 0x1fff);
    let fragment = (more || offset != 0).then(|| Fragment {
        identification: u16::from_be_bytes([header[4], header[5]]).into(),
        first: offset == 0,
    });
    Ok(Packet {
        source: Ipv4Addr::new(header[12], header[13], header[14], header[15]).into(),
        destination: Ipv4Addr::new(header[16], header[17], header[18], header[19]).into(),
        protocol: header[9],
        payload,
        length: length.min(bytes.len()),
        hops: header[8],
        fragment,
        transport: Transport::Unknown,
    })
}

fn read_v6(bytes: &[u8], cut: bool) -> Result<Packet, Malformed> {
    let short = Malformed("truncated IPv6 header");
    let header: &[u8; 40] = bytes.first_chunk().ok_or(short)?;
    let length = 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
    if length > bytes.len() && !cut {
        return Err(Malformed("truncated packet"));
    }
    let length = length.min(bytes.len());
    let address = |from: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&header[from..from + 16]);
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    let (mut protocol, mut payload, mut fragment) = (header[6], 40, None);
    loop {
        if OPTIONS.contains(&protocol) {
            let extension = bytes[..length].get(payload..).ok_or(short)?;
            protocol = byte(extension, 0)?;
            payload += 8 + usize::from(byte(extension, 1)?) * 8;
        } else if protocol == FRAGMENT && fragment.is_none() {
            let extension: &[u8; 8] =
                bytes[..length].get(payload..).and_then(<[u8]>::first_chunk).ok_or(short)?;
            let offset = u16::from_be_bytes([extension[2], extension[3]]);
            let [.., a, b, c, d] = *extension;
            let whole = offset & 0xfff9 == 0;
            let part = Fragment { identification: u32::from_be_bytes([a, b, c, d]), first: offset >> 3 == 0 };
            fragment = (!whole).then_some(part);
            protocol = extension[0];
            payload += 8;
            if !part.first {
                break;
            }
        } else {
            break;
        }
    }
    if payload > length {
        return Err(short);
    }
    Ok(Packet {
        source: address(8),
        destination: address(24),
        protocol,
        payload,
        length,
        hops: header[7],
        fragment,
        transport: Transport::Unknown,
    })
}

fn byte(bytes: &[u8], at: usize) -> Result<u8, Malformed> {
    bytes.get(at).copied().ok_or(Malformed("truncated header"))
}

fn word(bytes: &[u8], at: usize) -> Result<u16, Malformed> {
    let pair: &[u8; 2] =
        bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(Malformed("truncated header"))?;
    Ok(u16::from_be_bytes(*pair))
}
