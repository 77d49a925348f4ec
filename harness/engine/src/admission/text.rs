//! Forms of texts, as predicates: the languages of the API server's patterns and formats.

use ipnet::IpNet;

/// `^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`
pub(super) fn is_label_value(text: &str) -> bool {
    let edge = |c: Option<&u8>| c.is_none_or(u8::is_ascii_alphanumeric);
    edge(text.as_bytes().first())
        && edge(text.as_bytes().last())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}

/// The pattern of a port. Its alternative for numbers is not anchored at its end, that for names not at its
/// beginning: whatever begins with a digit passes, and whatever ends like a name.
pub(super) fn is_port(text: &str) -> bool {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return true;
    }
    let Some(letter) = text.rfind(|c: char| c.is_ascii_alphabetic()) else { return false };
    let rest = &text[letter + 1..];
    rest.bytes().all(|c| c.is_ascii_digit() || c == b'-') && !rest.ends_with('-') && !rest.contains("--")
}

/// `^([-a-zA-Z0-9_]+[.]?)+$`
pub(super) fn is_match_name(text: &str) -> bool {
    is_dotted(text, |c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
}

/// `^([-a-zA-Z0-9_*]+[.]?)+$`
pub(super) fn is_match_pattern(text: &str) -> bool {
    is_dotted(text, |c| c.is_ascii_alphanumeric() || b"-_*".contains(&c))
}

fn is_dotted(text: &str, legal: fn(u8) -> bool) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    !text.is_empty() && text.split('.').all(|label| !label.is_empty() && label.bytes().all(legal))
}

/// A TLS server name; since 1.18 a star may stand for labels.
pub(super) fn is_server_name(text: &str) -> bool {
    is_match_pattern(text) && text.len() <= 255
}

/// The format `cidr`: an address and a prefix length. Host bits may be set.
pub(super) fn is_cidr(text: &str) -> bool {
    text.parse::<IpNet>().is_ok()
}

/// The types of ICMP by number or name, without regard to the family.
pub(super) fn is_icmp_type(text: &str) -> bool {
    const NAMES: [&str; 33] = [
        "EchoReply",
        "DestinationUnreachable",
        "Redirect",
        "Echo",
        "EchoRequest",
        "RouterAdvertisement",
        "RouterSelection",
        "TimeExceeded",
        "ParameterProblem",
        "Timestamp",
        "TimestampReply",
        "Photuris",
        "ExtendedEchoRequest",
        // Misspelt in the schema.
        "ExtendedEcho Reply",
        "PacketTooBig",
        "MulticastListenerQuery",
        "MulticastListenerReport",
        "MulticastListenerDone",
        "RouterSolicitation",
        "NeighborSolicitation",
        "NeighborAdvertisement",
        "RedirectMessage",
        "RouterRenumbering",
        "ICMPNodeInformationQuery",
        "ICMPNodeInformationResponse",
        "InverseNeighborDiscoverySolicitation",
        "InverseNeighborDiscoveryAdvertisement",
        "HomeAgentAddressDiscoveryRequest",
        "HomeAgentAddressDiscoveryReply",
        "MobilePrefixSolicitation",
        "MobilePrefixAdvertisement",
        "DuplicateAddressRequestCodeSuffix",
        "DuplicateAddressConfirmationCodeSuffix",
    ];
    let number = text.parse::<u8>().is_ok_and(|number| number.to_string() == text);
    number || NAMES.contains(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oddly_anchored_ports() {
        let check = |text: &str, expected: bool| assert_eq!(is_port(text), expected, "{text}");
        for text in ["80", "70000", "80-90", "http_x", "http", "0x50", "8_0", "a-1"] {
            check(text, true);
        }
        for text in ["", "-1", "http-", "a--1", "_"] {
            check(text, false);
        }
    }

    #[test]
    fn names_and_patterns() {
        for text in ["a.test", "a.test.", "a_b"] {
            assert!(is_match_name(text), "{text}");
        }
        for text in ["", ".", "a..b", "*.test", "a$.test"] {
            assert!(!is_match_name(text), "{text}");
        }
        assert!(is_match_pattern("**.test"));
    }
}
