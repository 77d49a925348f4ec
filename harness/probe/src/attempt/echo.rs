//! Echo requests and replies, which ICMP and `ICMPv6` encode in the same way except for type numbers and checksums.
//! <https://www.rfc-editor.org/rfc/rfc792> and <https://www.rfc-editor.org/rfc/rfc4443#section-4>

/// The bytes before the text.
const HEADER: usize = 8;

/// An echo request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Echo<'a> {
    /// Its type, one of those of [`Family`].
    pub(crate) kind: u8,
    /// Its identifier.
    pub(crate) identifier: u16,
    /// The data, which the reply repeats.
    pub(crate) text: &'a [u8],
}

/// The type numbers of a family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    /// The type of a request.
    pub(crate) request: u8,
    /// The type of a reply.
    pub(crate) reply: u8,
}

/// The type numbers of ICMP.
pub(crate) const IPV4: Family = Family { request: 8, reply: 0 };

/// The type numbers of `ICMPv6`.
pub(crate) const IPV6: Family = Family { request: 128, reply: 129 };

impl<'a> Echo<'a> {
    /// Encodes it with the checksum of ICMP; the system fills in that of `ICMPv6`.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind, 0, 0, 0];
        bytes.extend(self.identifier.to_be_bytes());
        bytes.extend(1_u16.to_be_bytes());
        bytes.extend(self.text);
        let sum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// Decodes a message; none if it is shorter than the header.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, text) = bytes.split_first_chunk::<HEADER>()?;
        Some(Self { kind: header[0], identifier: u16::from_be_bytes([header[4], header[5]]), text })
    }
}

/// The internet checksum. <https://www.rfc-editor.org/rfc/rfc1071>
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written_and_its_checksum_adds_up() {
        for text in [&b""[..], b"a", b"verdikt attempt 7", &[0xff; 301]] {
            let echo = Echo { kind: IPV4.request, identifier: 0xbeef, text };
            let bytes = echo.bytes();
            assert_eq!(Echo::read(&bytes), Some(echo));
            assert_eq!(checksum(&bytes), 0, "a message with its checksum sums up to nothing");
        }
        assert_eq!(Echo::read(&[0; 7]), None);
    }

    #[test]
    fn the_checksum_is_that_of_a_message_on_the_wire() {
        // As sent by `ping -p 00 -s 2`, identifier 1.
        assert_eq!(checksum(&[8, 0, 0, 0, 0, 1, 0, 1, 0, 0]), 0xf7fd);
    }
}
