//! The text that identifies the attempt in a datagram.

const BEFORE: &str = "verdikt attempt ";

/// The text that an attempt sends.
pub(crate) fn text(attempt: u64) -> Vec<u8> {
    format!("{BEFORE}{attempt}").into_bytes()
}

/// The number of the attempt that sent this text; none if no attempt did.
pub(crate) fn attempt(text: &[u8]) -> Option<u64> {
    str::from_utf8(text).ok()?.strip_prefix(BEFORE)?.parse().ok()
}
