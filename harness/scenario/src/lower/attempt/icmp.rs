//! ICMP attempts: an echo request, or a message of another type: `icmp Timestamp shop/web`.

use super::super::answers::resolve;
use super::super::mistake::Mistake;
use super::{not_the_gateway, split_prefix, target};
use crate::attempt::{Attempt, IpFamily, Target};
use crate::icmp::{echo_request, type_of_name};
use crate::topology::{Resolved, Topology};

/// Parses an ICMP attempt without its first word.
pub(super) fn icmp(text: &str, family: IpFamily, topology: &Topology) -> Result<Attempt, Mistake> {
    let Some((kind, rest)) = text.split_once(char::is_whitespace) else { return ping(text, topology) };
    let kind = message_type(kind, family)?;
    Ok(Attempt::IcmpMessage { target: host(rest.trim(), topology)?, kind })
}

/// The target among the words after the first one.
pub(super) fn target_of_words<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let first = words.next();
    words.next().filter(|second| !["via", "over"].contains(second)).or(first)
}

/// The type of a message that a client can send on its own, and that policies decide about.
fn message_type(text: &str, family: IpFamily) -> Result<u8, Mistake> {
    let Some(kind) = text.parse().ok().or_else(|| type_of_name(text, family)) else {
        let mistake = Mistake::new(format!("`{text}` is not a type of an ICMP message of {family}"));
        let is_echo =
            ["echo", "ping", "echorequest", "echo-request"].contains(&text.to_ascii_lowercase().as_str());
        let help = if is_echo {
            "an echo request needs no type: write `icmp shop/web`"
        } else {
            "write a number, or a name as in policies: `icmp Timestamp shop/web`"
        };
        return Err(mistake.help(help.to_owned()));
    };
    if kind == echo_request(family) {
        let mistake = Mistake::new(format!("type {kind} is an echo request"));
        return Err(mistake.help("leave the type out".to_owned()));
    }
    match (family, kind) {
        (IpFamily::V4, 0) | (IpFamily::V6, 129) => {
            let mistake = Mistake::new(format!("type {kind} answers an echo request, and passes with it"));
            Err(mistake.help("attempt the request: leave the type out".to_owned()))
        }
        (IpFamily::V6, 130..=137 | 143) => {
            let message = format!("type {kind} is for neighbours on one link, and no policy applies to it");
            Err(Mistake::new(message))
        }
        _ => Ok(kind),
    }
}

/// Parses an echo request.
fn ping(text: &str, topology: &Topology) -> Result<Attempt, Mistake> {
    Ok(Attempt::Ping { target: host(text, topology)? })
}

/// A target with an address and no port.
fn host(text: &str, topology: &Topology) -> Result<Target, Mistake> {
    let (prefix, text) = split_prefix(text);
    if let Some((name, port)) = text.rsplit_once(':') {
        let mistake = Mistake::new(format!("a ping has no port, and this one has `{port}`"));
        return Err(mistake.help(format!("write `icmp {name}`")));
    }
    let target = not_the_gateway(target(prefix, text, topology)?)?;
    let service = match &target {
        Target::Endpoint(_) | Target::PodOfSharedName(_) => return Ok(target),
        Target::Service(name)
        | Target::Backend { service: name, .. }
        | Target::Over { service: name, .. } => Some(name.clone()),
        Target::Name(name) => match resolve(name, topology)? {
            Resolved::Service(name) => Some(name).filter(|name| !topology.is_headless(name)),
            Resolved::World(_) => None,
        },
    };
    if let Some(service) = service {
        let mistake = Mistake::new(format!("`{service}` is a service, and its address answers no ping"));
        return Err(mistake.help("ping a pod behind it".to_owned()));
    }
    Ok(target)
}
