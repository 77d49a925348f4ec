//! The Internet checksum, whole and by what changed in it.
//!
//! <https://www.rfc-editor.org/rfc/rfc1071>, <https://www.rfc-editor.org/rfc/rfc1624>

/// The one's complement sum of some bytes, folded; of bytes that hold their right checksum it is 0xffff.
pub(super) fn sum(bytes: &[u8]) -> u16 {
    fold(
        bytes
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])))
            .sum(),
    )
}

/// A checksum after some 16-bit words of what it covers have changed.
pub(super) fn updated(checksum: u16, before: &[u8], after: &[u8]) -> u16 {
    let total = u32::from(!checksum) + u32::from(!sum(before)) + u32::from(sum(after));
    !fold(total)
}

fn fold(mut total: u32) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    u16::try_from(total).unwrap_or(u16::MAX)
}

/// SCTP's checksum: CRC-32C of the packet with a checksum of zero, least significant byte first.
/// <https://www.rfc-editor.org/rfc/rfc9260#section-6.8>
pub(super) fn crc32c(bytes: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (0u32.wrapping_sub(crc & 1)));
        }
    }
    (!crc).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changing_words_is_like_summing_anew() {
        let before = [0x12, 0x34, 0xff, 0xff, 0x00, 0x01];
        let after = [0x12, 0x34, 0x00, 0x00, 0xab, 0xcd];
        assert_eq!(updated(!sum(&before), &before[2..], &after[2..]), !sum(&after));
    }

    #[test]
    fn the_check_value_of_crc32c() {
        assert_eq!(u32::from_le_bytes(crc32c(b"123456789")), 0xe306_9283);
    }
}
