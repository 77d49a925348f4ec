//! The Internet checksum, and its change when a packet's words change (RFC 1071, RFC 1624).

use std::net::IpAddr;

/// The difference between the sums of a packet's words before and after changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delta(u32);

impl Delta {
    /// A word was replaced.
    pub(crate) fn word(&mut self, old: u16, new: u16) {
        self.0 = fold(self.0 + u32::from(!old) + u32::from(new));
    }

    /// An address was replaced by another of its family.
    pub(crate) fn address(&mut self, old: IpAddr, new: IpAddr) {
        match (old, new) {
            (IpAddr::V4(old), IpAddr::V4(new)) => self.words(&old.octets(), &new.octets()),
            (IpAddr::V6(old), IpAddr::V6(new)) => self.words(&old.octets(), &new.octets()),
            _ => (),
        }
    }

    fn words(&mut self, old: &[u8], new: &[u8]) {
        for (old, new) in old.chunks_exact(2).zip(new.chunks_exact(2)) {
            self.word(u16::from_be_bytes([old[0], old[1]]), u16::from_be_bytes([new[0], new[1]]));
        }
    }

    /// The checksum after the changes.
    pub(crate) fn apply(self, checksum: u16) -> u16 {
        // Folded twice, a sum has no carry.
        let [.., high, low] = fold(fold(u32::from(!checksum) + self.0)).to_be_bytes();
        !u16::from_be_bytes([high, low])
    }
}

fn fold(sum: u32) -> u32 {
    (sum & 0xffff) + (sum >> 16)
}

/// The checksum of bytes, starting with `start`. For bytes that contain their own valid checksum it is 0.
pub(crate) fn of(start: u32, bytes: &[u8]) -> u16 {
    let mut sum = u64::from(start);
    let mut words = bytes.chunks_exact(2);
    for word in &mut words {
        sum += u64::from(u16::from_be_bytes([word[0], word[1]]));
    }
    if let [last] = words.remainder() {
        sum += u64::from(*last) << 8;
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// SCTP's checksum: CRC-32C over the packet with zeros in its place, least significant byte first.
/// <https://www.rfc-editor.org/rfc/rfc9260#section-6.8>
pub(crate) fn crc32c(bytes: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & 0u32.wrapping_sub(crc & 1));
        }
    }
    (!crc).to_le_bytes()
}

/// The sum of the pseudo header in checksums of transport protocols. (`ICMPv4` has none, so its checksum starts with
/// 0.)
pub(crate) fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> u32 {
    let words = |address: IpAddr| -> u32 {
        let sum = |octets: &[u8]| -> u32 {
            octets.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum()
        };
        match address {
            IpAddr::V4(address) => sum(&address.octets()),
            IpAddr::V6(address) => sum(&address.octets()),
        }
    };
    // A packet's length fits into 17 bits.
    words(source) + words(destination) + u32::from(protocol) + u32::try_from(length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_value_of_crc32c() {
        assert_eq!(u32::from_le_bytes(super::crc32c(b"123456789")), 0xe306_9283);
    }
}
