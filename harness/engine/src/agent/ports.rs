//! The ports and ICMP types of a rule's item.

use std::fmt;
use std::sync::Arc;

use verdikt_scenario::attempt::IpFamily;
use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::icmp::type_of_name;
use verdikt_scenario::topology::Protocol;

use super::{ParseContext, list, number, proxy, refusal, refusal_of, text};
use crate::behaviour::{Behaviour, MOST_PORTS};
use crate::refusal::{Refusal, RefusalKind};
use crate::rule::{Direction, Effect, PortMatcher, PortPath, PortRule, Ports, RuleReference};

/// Reads `toPorts` or `icmps`; none if the item has neither.
pub(super) fn ports(
    item: &YamlNode,
    direction: Direction,
    effect: Effect,
    context: &ParseContext<'_>,
) -> Result<Option<Ports>, Refusal> {
    let lists = list(item, "toPorts")?.unwrap_or_default();
    let icmps = list(item, "icmps")?.unwrap_or_default();
    if !icmps.is_empty() && !lists.is_empty() {
        let message =
            "the ICMPs block may only be present without ToPorts. Define a separate rule to use ToPorts";
        return Err(refusal_of(RefusalKind::IcmpsBesidePorts, item, message));
    }
    if lists.is_empty() && icmps.is_empty() {
        return Ok(None);
    }
    let mut rules = Vec::new();
    for (index, list) in lists.iter().enumerate() {
        port_list(list, index, direction, effect, context, &mut rules)?;
    }
    for (index, icmp) in icmps.iter().enumerate() {
        icmp_list(icmp, index, &mut rules)?;
    }
    Ok(Some(Ports::OneOf(rules)))
}

fn port_list(
    node: &YamlNode,
    index: usize,
    direction: Direction,
    effect: Effect,
    context: &ParseContext<'_>,
    rules: &mut Vec<PortRule>,
) -> Result<(), Refusal> {
    let ports = list(node, "ports")?.unwrap_or_default();
    if ports.len() > MOST_PORTS {
        return Err(refusal(node, format!("too many ports, the max is {MOST_PORTS}")));
    }
    let is_other =
        |port: &&YamlNode| context.settings.extended_protocols && is_extended(port, context.behaviour);
    // No attempt uses such a port.
    if ports.iter().any(|port| is_other(&port)) && node.get("rules").is_some() {
        return Err(refusal(
            node,
            "L7 rules can only apply to TCP (not other protocols) except for DNS rules",
        ));
    }
    let known = ports.iter().enumerate().filter(|(_, port)| !is_other(port));
    let matchers = known
        .map(|(position, node)| Ok((position, node, port(node, context.behaviour)?)))
        .collect::<Result<Vec<_>, Refusal>>()?;
    let plain: Vec<PortMatcher> = matchers.iter().map(|(.., matcher)| matcher.clone()).collect();
    let proxy = match effect {
        Effect::Allow => proxy::proxy(node, direction, &plain, context)?.map(Arc::new),
        Effect::Deny | Effect::Pass => None,
    };
    for (position, port, matcher) in matchers {
        rules.push(PortRule {
            matcher,
            proxy: proxy.clone(),
            path: PortPath::ToPorts(index, position),
            position: port.position,
            reference: RuleReference::default(),
        });
    }
    Ok(())
}

/// Whether a port is for a protocol that no attempt uses.
/// <https://docs.cilium.io/en/stable/security/policy/language/#extended-ip-protocols>
fn is_extended(port: &YamlNode, behaviour: &Behaviour) -> bool {
    let written = port.get("protocol").and_then(YamlNode::text).unwrap_or_default();
    let is_one_of = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(written));
    behaviour.knows_extended_protocols && is_one_of(&["VRRP", "IGMP"])
        || behaviour.knows_tunnelling_protocols && is_one_of(&["GRE", "IPIP", "IPV6", "ESP", "AH"])
}

fn port(node: &YamlNode, behaviour: &Behaviour) -> Result<PortMatcher, Refusal> {
    let protocol = protocol(text(node, "protocol")?.unwrap_or_default(), node)?;
    let written = text(node, "port")?.filter(|text| !text.is_empty());
    let written = written.ok_or_else(|| refusal(node, "port must be specified"))?;
    let end_port = number(node, "endPort")?.map(u16::try_from).transpose();
    let end_port = end_port.map_err(|_| refusal(node, "endPort must be a port number"))?;
    if is_service_name(written) {
        let name = written.to_ascii_lowercase();
        return Ok(PortMatcher::Name { protocol, name, end_port });
    }
    let first = parse_number(written).map_err(|why| {
        refusal(node, format!("unable to parse port: strconv.ParseUint: parsing {written:?}: {why}"))
    })?;
    Ok(PortMatcher::Range { protocol, first, last: last_port(first, end_port, behaviour) })
}

/// The last port of a range. Port 0 means every port, in some versions unless it has an end.
pub(super) fn last_port(first: u16, end_port: Option<u16>, behaviour: &Behaviour) -> u16 {
    match end_port.filter(|end| *end > first) {
        None if first == 0 => u16::MAX,
        Some(_) if first == 0 && !behaviour.port_zero_begins_a_range => u16::MAX,
        end => end.unwrap_or(first),
    }
}

/// The protocol of a port; none means TCP, UDP and SCTP. The agent ignores letter case.
fn protocol(written: &str, node: &YamlNode) -> Result<Option<Protocol>, Refusal> {
    let known = [
        ("", None),
        ("ANY", None),
        ("TCP", Some(Protocol::Tcp)),
        ("UDP", Some(Protocol::Udp)),
        ("SCTP", Some(Protocol::Sctp)),
    ];
    let found =
        known.iter().find(|(word, _)| word.eq_ignore_ascii_case(written)).map(|(_, protocol)| *protocol);
    found.ok_or_else(|| refusal(node, format!("invalid protocol {written:?}, must be TCP, UDP, SCTP or ANY")))
}

/// A port name by the rules of IANA: at most 15 letters, digits and single inner hyphens, with one letter.
pub(super) fn is_service_name(text: &str) -> bool {
    let alphanumeric = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    text.len() <= 15
        && alphanumeric(text.as_bytes().first())
        && alphanumeric(text.as_bytes().last())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
        && !text.contains("--")
        && text.bytes().any(|c| c.is_ascii_alphabetic())
}

/// A port number as the agent reads it: underscores may separate digits, and a leading zero means octal.
pub(super) fn parse_number(text: &str) -> Result<u16, NumberError> {
    let (digits, radix) = match text.strip_prefix('0') {
        Some(rest) if !rest.is_empty() => (rest.strip_prefix('_').unwrap_or(rest), 8),
        _ => (text, 10),
    };
    let separated = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    let plain = digits.replace('_', "");
    if !separated || plain.is_empty() || !plain.chars().all(|c| c.is_digit(radix)) {
        return Err(NumberError::Syntax);
    }
    u16::from_str_radix(&plain, radix).map_err(|_| NumberError::Range)
}

/// Why a text is not a port number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberError {
    /// It is not a number.
    Syntax,
    /// It is too large.
    Range,
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Syntax => "invalid syntax",
            Self::Range => "value out of range",
        })
    }
}

fn icmp_list(node: &YamlNode, index: usize, rules: &mut Vec<PortRule>) -> Result<(), Refusal> {
    let fields = list(node, "fields")?.unwrap_or_default();
    if fields.len() > MOST_PORTS {
        return Err(refusal(node, format!("too many types, the max is {MOST_PORTS}")));
    }
    for (position, field) in fields.iter().enumerate() {
        let family = match text(field, "family")? {
            None | Some("" | "IPv4") => IpFamily::V4,
            Some("IPv6") => IpFamily::V6,
            Some(other) => {
                return Err(refusal(field, format!("invalid family {other:?}, must be IPv4 or IPv6")));
            }
        };
        let kind = icmp_type(field, family)?;
        // The type is stored in place of a port, and port 0 means every port.
        let matcher = PortMatcher::Icmp { v6: family == IpFamily::V6, kind: (kind != 0).then_some(kind) };
        rules.push(PortRule {
            matcher,
            proxy: None,
            path: PortPath::Icmps(index, position),
            position: field.position,
            reference: RuleReference::default(),
        });
    }
    Ok(())
}

fn icmp_type(field: &YamlNode, family: IpFamily) -> Result<u8, Refusal> {
    let node = field.get("type").ok_or_else(|| refusal(field, "type must be specified"))?;
    let number = match &node.value {
        Value::Integer(number) => u8::try_from(*number).ok(),
        Value::Text(text) => text.parse().ok().or_else(|| type_of_name(text, family)),
        _ => None,
    };
    number.ok_or_else(|| refusal(node, format!("not an ICMP type of {family}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_numbers() {
        let check = |text: &str, expected: Result<u16, NumberError>| {
            assert_eq!(parse_number(text), expected, "{text}");
        };
        check("80", Ok(80));
        check("0", Ok(0));
        check("0120", Ok(80));
        check("8_0", Ok(80));
        check("65535", Ok(65535));
        check("70000", Err(NumberError::Range));
        check("08", Err(NumberError::Syntax));
        check("80-90", Err(NumberError::Syntax));
        check("_80", Err(NumberError::Syntax));
        check("-1", Err(NumberError::Syntax));
        check("a-very-long-name-x", Err(NumberError::Syntax));
        assert!(is_service_name("0x50"));
        assert!(!is_service_name("http_x"));
    }
}
