//! The text by which a datagram says which attempt it belongs to.

const BEFORE: &str = "verdikt attempt ";

/// What an attempt sends.
pub(crate) fn text(attempt: u64) -> Vec<u8> {
    format!("{BEFORE}{attempt}").into_bytes()
}

/// The attempt that sent this; none if no attempt did.
pub(crate) fn attempt(text: &[u8]) -> Option<u64> {
    str::from_utf8(text).ok()?.strip_prefix(BEFORE)?.parse().ok()
}
