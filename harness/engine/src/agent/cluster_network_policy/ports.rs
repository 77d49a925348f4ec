//! The protocols of a rule.

use verdikt_scenario::document::YamlNode;
use verdikt_scenario::topology::Protocol;

use super::super::ports::{NumberError, is_service_name, parse_number};
use super::super::{list, number, text};
use crate::refusal::Refusal;
use crate::rule::{PortMatcher, PortPath, PortRule, Ports, RuleReference};

/// Reads `protocols`; an empty list means all traffic, including ICMP.
pub(super) fn read_protocols(item: &YamlNode) -> Result<Ports, Refusal> {
    let elements = list(item, "protocols")?.unwrap_or_default();
    if elements.is_empty() {
        return Ok(Ports::All);
    }
    let rule = |(index, node): (usize, &YamlNode)| {
        Ok(PortRule {
            matcher: matcher(node)?,
            proxy: None,
            path: PortPath::Protocols(index),
            position: node.position,
            reference: RuleReference::default(),
        })
    };
    Ok(Ports::OneOf(elements.iter().enumerate().map(rule).collect::<Result<_, _>>()?))
}

/// Every port of a protocol; none means TCP, UDP and SCTP.
const fn every_port(protocol: Option<Protocol>) -> PortMatcher {
    PortMatcher::Range { protocol, first: 0, last: u16::MAX }
}

/// A port by its name, of any protocol.
pub(super) fn named(name: &str) -> PortMatcher {
    PortMatcher::Name { protocol: None, name: name.to_owned(), end_port: None }
}

fn matcher(node: &YamlNode) -> Result<PortMatcher, Refusal> {
    let protocols = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)];
    for (key, protocol) in protocols {
        if let Some(ports) = node.get(key) {
            return by_number(ports.get("destinationPort"), protocol);
        }
    }
    Ok(text(node, "destinationNamedPort")?.map_or(every_port(None), by_name))
}

/// A `destinationPort`: a range, or a number.
fn by_number(port: Option<&YamlNode>, protocol: Protocol) -> Result<PortMatcher, Refusal> {
    let protocol = Some(protocol);
    let range = port.and_then(|port| port.get("range"));
    let (first, end) = match (range, port) {
        (Some(range), _) => (number(range, "start")?, number(range, "end")?),
        (None, Some(port)) => (number(port, "number")?, None),
        (None, None) => (None, None),
    };
    let first = match first.unwrap_or(0) {
        // An invalid number means every port, as 0 does, and one that is too large means the largest.
        first if first <= 0 => return Ok(every_port(protocol)),
        first => u16::try_from(first).unwrap_or(u16::MAX),
    };
    // The end keeps only its lowest 16 bits.
    let end = end.and_then(|end| u16::try_from(end.rem_euclid(0x1_0000)).ok());
    let last = end.filter(|end| *end > first).unwrap_or(first);
    Ok(PortMatcher::Range { protocol, first, last })
}

/// How Cilium interprets a `destinationNamedPort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortNameReading {
    /// The name of a port.
    Name,
    /// A port number, of TCP, UDP and SCTP.
    Number(u16),
    /// Every port of TCP, UDP and SCTP.
    EveryPort,
}

/// Reads a `destinationNamedPort`: what is not a port name is a number, and what is not a number means every port.
pub(crate) fn read_port_name(name: &str) -> PortNameReading {
    if is_service_name(name) {
        return PortNameReading::Name;
    }
    match parse_number(name) {
        Ok(0) | Err(NumberError::Syntax) => PortNameReading::EveryPort,
        Ok(port) => PortNameReading::Number(port),
        Err(NumberError::Range) => PortNameReading::Number(u16::MAX),
    }
}

fn by_name(name: &str) -> PortMatcher {
    match read_port_name(name) {
        PortNameReading::Name => named(name),
        PortNameReading::Number(port) => PortMatcher::Range { protocol: None, first: port, last: port },
        PortNameReading::EveryPort => every_port(None),
    }
}
