//! The packets that start an SCTP association. <https://www.rfc-editor.org/rfc/rfc9260#section-3>
//!
//! Implemented here because most machines lack the kernel module for SCTP.

/// The IP protocol number.
pub(crate) const PROTOCOL: i32 = 132;

/// The length of the common header.
const HEADER: usize = 12;

/// The position of the checksum.
const CHECKSUM: std::ops::Range<usize> = 8..12;

/// The types of chunks.
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;

/// The parameter that an `INIT ACK` must have, with an empty cookie.
const STATE_COOKIE: [u8; 8] = [0, 7, 0, 8, 0, 0, 0, 0];

/// The advertised receive window and numbers of streams.
const WINDOW: u32 = 65_536;
const STREAMS: u16 = 1;

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The port of the sender.
    pub(crate) from: u16,
    /// The port of the receiver.
    pub(crate) to: u16,
    /// The verification tag that the receiver expects.
    pub(crate) tag: u32,
    /// Its content.
    pub(crate) says: SctpContent,
}

/// The content of a packet, as far as it is needed to start an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SctpContent {
    /// Requests an association with this tag for packets to the sender.
    Init(u32),
    /// Accepts it, with this tag for packets to the sender.
    InitAck(u32),
    /// Refuses or ends an association.
    Abort,
}

impl Packet {
    /// Encodes it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.from.to_be_bytes());
        bytes.extend(self.to.to_be_bytes());
        bytes.extend(self.tag.to_be_bytes());
        bytes.extend([0; 4]);
        match self.says {
            SctpContent::Init(tag) => chunk(&mut bytes, INIT, &first(tag)),
            SctpContent::InitAck(tag) => {
                chunk(&mut bytes, INIT_ACK, &[&first(tag), &STATE_COOKIE[..]].concat());
            }
            SctpContent::Abort => chunk(&mut bytes, ABORT, &[]),
        }
        let sum = checksum(&bytes);
        bytes[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Decodes a packet; none if it is damaged or has other content.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (header, chunks) = bytes.split_first_chunk::<HEADER>()?;
        let [a, b, c, d, t0, t1, t2, t3, sum @ ..] = *header;
        if u32::from_le_bytes(sum) != checksum(bytes) {
            return None;
        }
        let says = says(chunks)?;
        Some(Self {
            from: u16::from_be_bytes([a, b]),
            to: u16::from_be_bytes([c, d]),
            tag: u32::from_be_bytes([t0, t1, t2, t3]),
            says,
        })
    }
}

/// The value of `INIT` and `INIT ACK` chunks. The initial sequence number is the tag, as usual.
fn first(tag: u32) -> Vec<u8> {
    let mut value = Vec::new();
    value.extend(tag.to_be_bytes());
    value.extend(WINDOW.to_be_bytes());
    value.extend(STREAMS.to_be_bytes());
    value.extend(STREAMS.to_be_bytes());
    value.extend(tag.to_be_bytes());
    value
}

fn chunk(bytes: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    bytes.extend([kind, 0]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(value);
}

/// The content of the first chunk that is about starting an association.
fn says(mut chunks: &[u8]) -> Option<SctpContent> {
    loop {
        let ([kind, _, high, low], _) = chunks.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let value = chunks.get(4..length)?;
        let tag = || value.first_chunk::<4>().map(|tag| u32::from_be_bytes(*tag));
        match *kind {
            INIT => return tag().map(SctpContent::Init),
            INIT_ACK => return tag().map(SctpContent::InitAck),
            ABORT => return Some(SctpContent::Abort),
            // Chunks are padded to a multiple of four bytes.
            _ => chunks = chunks.get(length.next_multiple_of(4)..)?,
        }
    }
}

/// The CRC-32C of a packet, where the checksum field itself counts as zero.
/// <https://www.rfc-editor.org/rfc/rfc9260#appendix-A>
fn checksum(packet: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut sum = u32::MAX;
    for (at, byte) in packet.iter().enumerate() {
        sum ^= u32::from(if CHECKSUM.contains(&at) { 0 } else { *byte });
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_as_it_was_written_and_never_when_a_bit_is_wrong() {
        for says in [SctpContent::Init(7), SctpContent::InitAck(u32::MAX), SctpContent::Abort] {
            let packet = Packet { from: 1000, to: 9, tag: 0xdead_beef, says };
            let bytes = packet.bytes();
            assert_eq!(Packet::read(&bytes), Some(packet));
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Packet::read(&damaged), None, "bit {bit} of {packet:?}");
            }
            for length in 0..bytes.len() {
                assert_eq!(Packet::read(&bytes[..length]), None, "{length} bytes of {packet:?}");
            }
        }
    }

    #[test]
    fn chunks_before_are_passed_over_and_lengths_are_not_believed() {
        let check =
            |chunks: &[u8], wanted: Option<SctpContent>| assert_eq!(says(chunks), wanted, "{chunks:?}");
        check(&[], None);
        check(&[ABORT, 0, 0, 4], Some(SctpContent::Abort));
        check(&[11, 0, 0, 5, 1, 0, 0, 0, ABORT, 0, 0, 4], Some(SctpContent::Abort));
        check(&[11, 0, 0, 4], None);
        check(&[11, 0, 0, 0, ABORT, 0, 0, 4], None);
        check(&[INIT, 0, 0, 6, 1, 2], None);
        check(&[INIT, 0, 0xff, 0xff, 0, 0, 0, 1], None);
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        // The check value of CRC-32C, over digits that do not reach the checksum's own place.
        assert_eq!(checksum(b"12345678"), 0x6087_809a);
    }
}
