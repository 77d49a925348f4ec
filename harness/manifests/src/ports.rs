//! The servers that the containers of a pod declare.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::name::PortName;
use verdikt_scenario::topology::{Port, Protocol, Served, ServedProtocol, ServicePort, TargetPort};

use crate::field::{Unusable, text};

/// The port of DNS.
const DNS: u16 = 53;
/// The default port range of services of type `NodePort`.
const NODE_PORTS: RangeInclusive<u16> = 30_000..=32_767;

/// The ports of all containers, including init containers that keep running.
pub(crate) fn served(pod: &YamlNode) -> Result<Vec<Served>, Unusable> {
    let mut all: Vec<Served> = Vec::new();
    let stays =
        |container: &&YamlNode| container.get("restartPolicy").and_then(YamlNode::text) == Some("Always");
    let elements = |key: &str| pod.get(key).map_or(&[][..], YamlNode::elements).iter();
    for container in elements("containers").chain(elements("initContainers").filter(stays)) {
        for declared in container.get("ports").map_or(&[][..], YamlNode::elements) {
            add(&mut all, one(declared)?);
        }
    }
    Ok(all)
}

/// The ports of the node that are forwarded to a pod with these containers. Cilium does not forward those of a
/// loopback address, nor those in the range of services.
pub(crate) fn of_host(pod: &YamlNode) -> Result<Vec<ServicePort>, Unusable> {
    let mut all: Vec<ServicePort> = Vec::new();
    for container in pod.get("containers").map_or(&[][..], YamlNode::elements) {
        for declared in container.get("ports").map_or(&[][..], YamlNode::elements) {
            let at = declared.get("hostPort").zip(declared.get("containerPort"));
            let Some((host, own)) = at.filter(|(host, _)| host.value != Value::Integer(0)) else { continue };
            let (port, own) = (number(host, "`hostPort`")?, number(own, "`containerPort`")?);
            let protocol = protocol(declared)?;
            let address = declared.get("hostIP").and_then(YamlNode::text);
            let is_loopback =
                address.and_then(|it| it.parse().ok()).is_some_and(|it: IpAddr| it.is_loopback());
            let is_there = all.iter().any(|other| (other.port, other.protocol) == (port, protocol));
            if !is_loopback && !is_there && !NODE_PORTS.contains(&port.get()) {
                all.push(ServicePort { port, protocol, target: TargetPort::Number(own) });
            }
        }
    }
    Ok(all)
}

/// Adds a port unless it exists. A name that two containers use belongs to the first.
pub(crate) fn add(all: &mut Vec<Served>, mut new: Served) {
    const PROTOCOLS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let shares = |other: &Served| {
        PROTOCOLS.iter().any(|protocol| {
            other.protocol.answers(*protocol) && new.protocol.answers(*protocol) && other.port == new.port
        })
    };
    if all.iter().any(shares) {
        return;
    }
    if new.name.is_some() && all.iter().any(|other| other.name == new.name) {
        new.name = None;
    }
    all.push(new);
}

fn one(declared: &YamlNode) -> Result<Served, Unusable> {
    let Some(node) = declared.get("containerPort") else {
        return Err(Unusable::Wrong(declared.position, "the port has no `containerPort`".to_owned()));
    };
    let port = number(node, "`containerPort`")?;
    let protocol = protocol(declared)?;
    let name = match declared.get("name") {
        None => None,
        Some(node) => {
            let name = text(node, "the port's name")?;
            let name = name.parse::<PortName>();
            Some(name.map_err(|error| Unusable::Wrong(node.position, error.to_string()))?)
        }
    };
    let speaks = spoken(protocol, port, name.as_ref().map(PortName::as_str));
    Ok(Served { protocol: speaks, port, name })
}

/// The protocol of a server, as far as its port and name tell.
fn spoken(protocol: Protocol, port: Port, name: Option<&str>) -> ServedProtocol {
    match protocol {
        Protocol::Sctp => ServedProtocol::Sctp,
        // A DNS server that answers over UDP also answers over TCP, declared or not.
        Protocol::Udp if port.get() == DNS => ServedProtocol::Dns,
        Protocol::Udp => ServedProtocol::Udp,
        Protocol::Tcp if name.is_some_and(|name| name == "http" || name.starts_with("http-")) => {
            ServedProtocol::Http
        }
        Protocol::Tcp => ServedProtocol::Tcp,
    }
}

/// The transport protocol of a port; TCP if none is given.
pub(crate) fn protocol(port: &YamlNode) -> Result<Protocol, Unusable> {
    let Some(node) = port.get("protocol") else { return Ok(Protocol::Tcp) };
    match text(node, "`protocol`")? {
        "TCP" => Ok(Protocol::Tcp),
        "UDP" => Ok(Protocol::Udp),
        "SCTP" => Ok(Protocol::Sctp),
        other => {
            let message = format!("`{other}` is not a protocol: write TCP, UDP or SCTP");
            Err(Unusable::Wrong(node.position, message))
        }
    }
}

/// A port number.
pub(crate) fn number(node: &YamlNode, what: &str) -> Result<Port, Unusable> {
    let number = match &node.value {
        Value::Integer(number) => u16::try_from(*number).ok().and_then(Port::new),
        // A variable in place of a number, which is not rendered yet.
        Value::Text(_) => {
            text(node, what)?;
            None
        }
        _ => None,
    };
    let message = || format!("{what} is not a port: ports are numbers from 1 to 65535");
    number.ok_or_else(|| Unusable::Wrong(node.position, message()))
}
