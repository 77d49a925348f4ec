//! Checks of texts: the patterns and formats of the API server, as predicates.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;
use regex::Regex;

/// The pattern of a label's value.
pub(super) const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";

/// [`LABEL_VALUE`].
pub(super) fn is_label_value(text: &str) -> bool {
    let edge = |c: Option<&u8>| c.is_none_or(u8::is_ascii_alphanumeric);
    edge(text.as_bytes().first())
        && edge(text.as_bytes().last())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}

/// The pattern of a port. Its alternative for numbers is not anchored at its end, that for names not at its
/// beginning.
pub(super) const PORT: &str = "^(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})|\
([a-zA-Z0-9]-?)*[a-zA-Z](-?[a-zA-Z0-9])*$";

/// [`PORT`]: anything that starts with a digit, or ends like a name.
pub(super) fn is_port(text: &str) -> bool {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return true;
    }
    let Some(letter) = text.rfind(|c: char| c.is_ascii_alphabetic()) else { return false };
    let rest = &text[letter + 1..];
    rest.bytes().all(|c| c.is_ascii_digit() || c == b'-') && !rest.ends_with('-') && !rest.contains("--")
}

/// The pattern of `matchName`.
pub(super) const MATCH_NAME: &str = "^([-a-zA-Z0-9_]+[.]?)+$";

/// [`MATCH_NAME`].
pub(super) fn is_match_name(text: &str) -> bool {
    is_dotted(text, |c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
}

/// The pattern of `matchPattern`, and since 1.20 of server names.
pub(super) const MATCH_PATTERN: &str = "^([-a-zA-Z0-9_*]+[.]?)+$";

/// [`MATCH_PATTERN`].
pub(super) fn is_match_pattern(text: &str) -> bool {
    is_dotted(text, |c| c.is_ascii_alphanumeric() || b"-_*".contains(&c))
}

fn is_dotted(text: &str, legal: fn(u8) -> bool) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    !text.is_empty() && text.split('.').all(|label| !label.is_empty() && label.bytes().all(legal))
}

/// The pattern of server names of 1.18 and 1.19.
pub(super) const SERVER_NAME: &str = r"^(\*?\*\.)?([-a-zA-Z0-9_]+\.?)+$";

/// [`SERVER_NAME`].
pub(super) fn is_server_name_with_leading_star(text: &str) -> bool {
    let rest = text.strip_prefix("**.").or_else(|| text.strip_prefix("*.")).unwrap_or(text);
    is_match_name(rest)
}

/// The pattern of texts that are written to a log: only printable characters.
pub(super) const PRINTABLE: &str = r"^\PC*$";

/// [`PRINTABLE`].
pub(super) fn is_printable(text: &str) -> bool {
    static PATTERN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(PRINTABLE).expect("a pattern that a test compiles"));
    PATTERN.is_match(text)
}

/// The pattern of the names of most objects.
pub(super) const LOWER_CASE_NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// [`LOWER_CASE_NAME`], which sets no limit to the length of a label.
pub(super) fn is_lower_case_name(text: &str) -> bool {
    let edge = |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.split('.').all(|label| {
        edge(label.as_bytes().first())
            && edge(label.as_bytes().last())
            && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
    })
}

/// The format `cidr`: an address and a prefix length. Host bits may be set.
pub(super) fn is_cidr(text: &str) -> bool {
    text.parse::<IpNet>().is_ok()
}

/// The rule for an element of `networks`: like [`is_cidr`], without leading zeros and IPv4 addresses inside IPv6.
pub(super) fn is_canonical_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let is_plain = length == "0" || !length.starts_with('0') && length.bytes().all(|c| c.is_ascii_digit());
    let is_mapped = address.parse::<Ipv6Addr>().is_ok_and(|address| address.to_ipv4_mapped().is_some());
    is_plain && !is_mapped && address.parse::<IpAddr>().is_ok() && is_cidr(text)
}

/// The pattern of an element of `domainNames`, with its mistake: `A-z` contains some characters that are not letters.
pub(super) const DOMAIN: &str =
    r"^(\*\.)?([a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$";

/// [`DOMAIN`].
pub(super) fn is_domain(text: &str) -> bool {
    static PATTERN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(DOMAIN).expect("a pattern that a test compiles"));
    PATTERN.is_match(text)
}

/// The pattern of an ICMP type: the numbers, and the names of both families, one of them misspelt.
pub(super) const ICMP_TYPE: &str = "^([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]|\
EchoReply|DestinationUnreachable|Redirect|Echo|RouterAdvertisement|RouterSelection|TimeExceeded|\
ParameterProblem|Timestamp|TimestampReply|Photuris|ExtendedEchoRequest|ExtendedEcho Reply|\
PacketTooBig|ParameterProblem|EchoRequest|MulticastListenerQuery|MulticastListenerReport|\
MulticastListenerDone|RouterSolicitation|RouterAdvertisement|NeighborSolicitation|\
NeighborAdvertisement|RedirectMessage|RouterRenumbering|ICMPNodeInformationQuery|\
ICMPNodeInformationResponse|InverseNeighborDiscoverySolicitation|\
InverseNeighborDiscoveryAdvertisement|HomeAgentAddressDiscoveryRequest|\
HomeAgentAddressDiscoveryReply|MobilePrefixSolicitation|MobilePrefixAdvertisement|\
DuplicateAddressRequestCodeSuffix|DuplicateAddressConfirmationCodeSuffix)$";

/// [`ICMP_TYPE`]: a number of one byte, or one of the names.
pub(super) fn is_icmp_type(text: &str) -> bool {
    let number = text.parse::<u8>().is_ok_and(|number| number.to_string() == text);
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let alternatives = ICMP_TYPE.trim_start_matches("^(").trim_end_matches(")$");
    number || (is_name && alternatives.split('|').any(|name| name == text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_number("80", true)]
    #[case::a_number_too_large("70000", true)]
    #[case::a_range("80-90", true)]
    #[case::an_underscore("http_x", true)]
    #[case::letters("http", true)]
    #[case::hexadecimal("0x50", true)]
    #[case::an_underscore_in_digits("8_0", true)]
    #[case::a_hyphen("a-1", true)]
    #[case::nothing("", false)]
    #[case::a_leading_hyphen("-1", false)]
    #[case::a_hyphen_at_the_end("http-", false)]
    #[case::two_hyphens("a--1", false)]
    #[case::an_underscore_alone("_", false)]
    fn oddly_anchored_ports(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(is_port(text), expected);
    }

    /// A text that is often almost of the form.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[-a-zA-Z0-9_.*]{0,9}",
            "[a-b0-1._*-]{0,7}",
            "[a-z]{1,3}([-.]{1,2}[a-z0-9]{1,3}){0,3}",
            "\\PC{0,5}",
            "[0-9]{1,3}",
            prop::sample::select(ICMP_TYPE.trim_matches(['^', '(', ')', '$']).split('|').collect::<Vec<_>>())
                .prop_map(str::to_owned),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn predicates_decide_the_languages_of_the_patterns(text in text()) {
            let check = |test: fn(&str) -> bool, pattern: &str| {
                prop_assert_eq!(test(&text), Regex::new(pattern).unwrap().is_match(&text), "{:?} {}", text, pattern);
                Ok(())
            };
            check(is_label_value, LABEL_VALUE)?;
            check(is_port, PORT)?;
            check(is_match_name, MATCH_NAME)?;
            check(is_match_pattern, MATCH_PATTERN)?;
            check(is_server_name_with_leading_star, SERVER_NAME)?;
            check(is_lower_case_name, LOWER_CASE_NAME)?;
            check(is_icmp_type, ICMP_TYPE)?;
        }
    }

    #[rstest]
    #[case::two_labels("a.test", true)]
    #[case::a_dot_at_the_end("a.test.", true)]
    #[case::an_underscore("a_b", true)]
    #[case::nothing("", false)]
    #[case::a_dot_alone(".", false)]
    #[case::two_dots("a..b", false)]
    #[case::a_pattern("*.test", false)]
    #[case::a_dollar("a$.test", false)]
    fn match_names(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(is_match_name(text), expected);
    }

    #[test]
    fn two_stars_are_a_pattern() {
        assert!(is_match_pattern("**.test"));
    }
}
