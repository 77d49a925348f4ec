//! Looks up names as a C library does, by the rules of `/etc/resolv.conf`:
//! <https://man7.org/linux/man-pages/man5/resolv.conf.5.html>.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use super::progress::{AttemptProgress, StageResult};
use super::query::{self, QueryTransport};
use crate::socket;
use verdikt_wire::{Resolver, WireOutcome, WireTarget};

/// The types of records asked for, in their order: IPv4, and if there are none IPv6.
const EITHER: &[RecordType] = &[RecordType::A, RecordType::AAAA];

/// The question, the servers, and the transport.
struct NameQuestion<'a> {
    kinds: &'a [RecordType],
    servers: &'a [SocketAddr],
    transport: QueryTransport,
}

/// Resolves a target to an address: the first one to which there is a route.
pub(crate) async fn address(
    progress: &mut AttemptProgress,
    resolver: &Resolver,
    target: &WireTarget,
) -> Result<IpAddr, WireOutcome> {
    let (name, kinds) = match target {
        WireTarget::Address(address) => return Ok(*address),
        WireTarget::Name(name) => (name, EITHER),
        WireTarget::NameOverFamily { name, v6: false } => (name, &EITHER[..1]),
        WireTarget::NameOverFamily { name, v6: true } => (name, &EITHER[1..]),
    };
    let plain = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let addresses = if let Some(known) = resolver.hosts.get(&plain) {
        known.clone()
    } else {
        let question = NameQuestion { kinds, servers: &resolver.servers, transport: QueryTransport::Udp };
        look_up(progress, resolver, name, &question).await?
    };
    let is_meant =
        |address: &IpAddr| kinds.contains(&if address.is_ipv4() { RecordType::A } else { RecordType::AAAA });
    let addresses: Vec<IpAddr> = addresses.into_iter().filter(is_meant).collect();
    let reachable = addresses.iter().find(|address| socket::reserved(progress.home(), **address).is_ok());
    reachable.or(addresses.first()).copied().ok_or(WireOutcome::NoSuchName)
}

/// Looks up a name as an attempt of its own.
pub(crate) async fn ask_for(
    progress: &mut AttemptProgress,
    resolver: &Resolver,
    name: &str,
    transport: QueryTransport,
) -> Result<WireOutcome, WireOutcome> {
    let question = NameQuestion { kinds: EITHER, servers: &resolver.servers, transport };
    look_up(progress, resolver, name, &question).await.map(|_| WireOutcome::Answered)
}

/// Looks up the addresses of a name; at least one.
async fn look_up(
    progress: &mut AttemptProgress,
    resolver: &Resolver,
    name: &str,
    question: &NameQuestion<'_>,
) -> Result<Vec<IpAddr>, WireOutcome> {
    let mut worst = WireOutcome::NoSuchName;
    for candidate in candidates(name, resolver)? {
        match addresses_of(progress, resolver, &candidate, question).await {
            Ok(addresses) => return Ok(addresses),
            Err(WireOutcome::NoSuchName) => {}
            Err(WireOutcome::NameRefused) if !resolver.refused_ends => worst = WireOutcome::NameRefused,
            Err(failed @ WireOutcome::NameFailed(_)) => {
                if worst == WireOutcome::NoSuchName {
                    worst = failed;
                }
            }
            Err(outcome) => return Err(outcome),
        }
    }
    Err(worst)
}

/// The names to ask for, in their order: a name with at least `ndots` dots is tried as it is before the search
/// domains, any other after them.
fn candidates(name: &str, resolver: &Resolver) -> Result<Vec<Name>, WireOutcome> {
    let absolute = |text: &str| {
        Name::from_ascii(text).map(|mut name| {
            name.set_fqdn(true);
            name
        })
    };
    let as_it_is = absolute(name)
        .map_err(|error| WireOutcome::NotAttempted(format!("{name:?} is not a name: {error}")))?;
    if name.ends_with('.') {
        return Ok(vec![as_it_is]);
    }
    // Names that are too long with a search domain are skipped.
    let mut names: Vec<Name> = resolver
        .search
        .iter()
        .filter_map(|domain| absolute(&format!("{name}.{}", domain.trim_matches('.'))).ok())
        .collect();
    let dots = name.bytes().filter(|byte| *byte == b'.').count();
    if dots >= usize::from(resolver.ndots) {
        names.insert(0, as_it_is);
    } else {
        names.push(as_it_is);
    }
    Ok(names)
}

/// The addresses of one name, of the first record type that it has.
async fn addresses_of(
    progress: &mut AttemptProgress,
    resolver: &Resolver,
    name: &Name,
    question: &NameQuestion<'_>,
) -> Result<Vec<IpAddr>, WireOutcome> {
    let NameQuestion { kinds, servers, transport } = question;
    for kind in *kinds {
        let answer = ask_in_order(progress, resolver, name, *kind, servers, *transport).await?;
        match answer.outcome() {
            WireOutcome::Answered if !answer.addresses.is_empty() => return Ok(answer.addresses),
            WireOutcome::Answered => {}
            // The name exists, without addresses of this family.
            WireOutcome::NoSuchName if answer.code == ResponseCode::NoError => {}
            outcome => return Err(outcome),
        }
    }
    Err(WireOutcome::NoSuchName)
}

/// Asks the servers in order, and returns the first usable answer, or otherwise the last result.
async fn ask_in_order(
    progress: &mut AttemptProgress,
    resolver: &Resolver,
    name: &Name,
    kind: RecordType,
    servers: &[SocketAddr],
    transport: QueryTransport,
) -> Result<query::QueryAnswer, WireOutcome> {
    let mut said = Err(WireOutcome::NotAttempted("there is no DNS server to ask".to_owned()));
    // All servers together have the time of one stage.
    let whole = progress.divide_time(servers.len());
    for server in servers {
        said = query::ask(progress, *server, &Query::query(name.clone(), kind), transport).await;
        match said.as_ref().map_or_else(WireOutcome::clone, StageResult::outcome) {
            WireOutcome::NameRefused if !resolver.refused_ends => {}
            WireOutcome::Ended if !progress.is_ended() => {}
            WireOutcome::NameFailed(_)
            | WireOutcome::Refused
            | WireOutcome::Reset
            | WireOutcome::Unreachable
            | WireOutcome::TimedOut
            | WireOutcome::Garbled(_) => {}
            _ => break,
        }
    }
    progress.give_time(whole);
    said
}
