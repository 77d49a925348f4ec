//! Attempts over one address family.

use std::borrow::Cow;

use super::KINDS;
use crate::attempt::{Attempt, IpFamily, Target};
use crate::lower::mistake::Mistake;
use crate::topology::{Endpoint, Resolved, Topology};

/// Separates the address family from the kind of an attempt: `tcp6`, `icmp4`.
pub(super) fn split_family(text: &str) -> (Option<IpFamily>, Cow<'_, str>) {
    let (kind, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    if kind == "icmpv6" {
        return (Some(IpFamily::V6), Cow::Owned(format!("icmp{rest}")));
    }
    let found = [('4', IpFamily::V4), ('6', IpFamily::V6)]
        .into_iter()
        .find_map(|(digit, family)| Some((family, kind.strip_suffix(digit)?)));
    match found {
        Some((family, kind)) if KINDS.contains(&kind) => (Some(family), Cow::Owned(format!("{kind}{rest}"))),
        _ => (None, Cow::Borrowed(text)),
    }
}

/// The same attempt over one address family, if both ends can have such addresses.
pub(super) fn of_family(attempt: Attempt, family: IpFamily, topology: &Topology) -> Result<Attempt, Mistake> {
    if matches!(attempt, Attempt::Dns { .. }) {
        let mistake = Mistake::new("a query uses the address family of the DNS server");
        return Err(mistake.help("write `dns` or `dns+tcp`".to_owned()));
    }
    if family == IpFamily::V6 && !topology.is_dual_stack() {
        let mistake = Mistake::new("the cluster has no IPv6");
        return Err(mistake.help("switch it on: `settings: {ipv6.enabled: true}`".to_owned()));
    }
    let host = match attempt.target() {
        Some(Target::Endpoint(Endpoint::World(host))) => Some(host.clone()),
        Some(Target::Name(name)) => match topology.resolve(name) {
            Some(Resolved::World(host)) => Some(host),
            _ => None,
        },
        _ => None,
    };
    if let Some(host) = host.filter(|host| topology.world_address(host, family).is_none()) {
        let key = if family == IpFamily::V4 { "address: 203.0.113.10" } else { "ipv6: 2001:db8::10" };
        let mistake = Mistake::new(format!("host `{host}` has no {family} address"));
        return Err(mistake.help(format!("give it one of its own, as `{key}`")));
    }
    Ok(Attempt::OfFamily { family, attempt: Box::new(attempt) })
}
