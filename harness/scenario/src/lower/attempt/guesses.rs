//! What newcomers write in place of the words of attempts, and what to write instead.

use super::{KINDS, URLS, find_source};
use crate::lower::mistake::Mistake;
use crate::lower::suggest::did_you_mean;
use crate::name::NamespacedName;
use crate::topology::Topology;

/// Words of other programs and protocols, each with the attempt that says the same.
const OTHER_KINDS: &[(&[&str], &str)] = &[
    (&["ping"], "icmp namespace/pod"),
    (&["ping4", "icmpv4"], "icmp4 namespace/pod"),
    (&["ping6"], "icmp6 namespace/pod"),
    (&["websocket", "ws"], "http GET namespace/pod:80/path Connection=Upgrade Upgrade=websocket"),
    (&["wss"], "https GET namespace/pod:443/path Connection=Upgrade Upgrade=websocket"),
    (&["curl", "wget"], "http GET namespace/pod:80/path"),
    (&["nc", "telnet", "connect"], "tcp namespace/pod:80"),
    (&["dig", "nslookup", "host", "lookup", "resolve", "dns+udp"], "dns api.example.test"),
    (&["kept", "established"], "tcp namespace/pod:80 kept"),
];

/// Protocols whose messages are those of another one to policies.
const CARRIED: &[(&[&str], &str)] = &[
    (
        &["grpc"],
        "a call of gRPC is a request to policies: write `http POST namespace/pod:80/package.Service/Method`, or `tcp \
         namespace/pod:80` where no rule is for HTTP",
    ),
    (
        &["http2", "h2", "h2c"],
        "HTTP rules are the same for every version of HTTP: write `http GET namespace/pod:80/path`",
    ),
    (&["quic", "http3", "h3"], "it is datagrams to policies: write `udp namespace/pod:443`"),
    (
        &["any", "all"],
        "an attempt is of one protocol: write one for each; `verdikt matrix` shows all ports at once",
    ),
];

/// The mistake of an attempt that begins with another word than those there are.
pub(super) fn other_kind(kind: &str, rest: &str, topology: &Topology) -> Mistake {
    let of = |words: &[&str]| words.contains(&kind);
    let word =
        || OTHER_KINDS.iter().find(|(words, _)| of(words)).map(|(_, write)| format!("write `{write}`"));
    let carried = || CARRIED.iter().find(|(words, _)| of(words)).map(|(_, help)| (*help).to_owned());
    let help = word()
        .or_else(carried)
        .or_else(|| of_family(kind))
        .or_else(|| of_url(kind))
        .or_else(|| of_target(kind, rest, topology));
    let help = help.unwrap_or_else(|| did_you_mean(kind, "an attempt begins with", KINDS));
    Mistake::new(format!("`{kind}` is not a kind of attempt")).help(help)
}

/// What to do about another spelling of a protocol over one family: `tcp-ipv6`, `udpv4`.
fn of_family(kind: &str) -> Option<String> {
    let protocol = kind.trim_end_matches(['4', '6']).trim_end_matches('v').trim_end_matches("ip");
    let (protocol, digit) = (protocol.trim_end_matches(['-', '_']), kind.chars().last()?);
    let is_family = ['4', '6'].contains(&digit) && KINDS.contains(&protocol);
    is_family.then(|| format!("write `{protocol}{digit}`"))
}

/// What to do about a URL without a word before it.
fn of_url(text: &str) -> Option<String> {
    let (_, scheme) = URLS.iter().find(|(begin, _)| text.starts_with(begin))?;
    Some(format!("say what is asked: `{scheme} GET {text}`"))
}

/// What to do about a target without a word before it.
fn of_target(text: &str, rest: &str, topology: &Topology) -> Option<String> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => (name, port),
        _ => (text, "PORT"),
    };
    let is_service = || name.parse().is_ok_and(|name: NamespacedName| topology.services.contains_key(&name));
    let is_target = rest.is_empty()
        && (port != "PORT"
            || name.contains(['.', '/'])
            || find_source(name, topology).is_some()
            || is_service());
    is_target.then(|| format!("say what is tried: `tcp {name}:{port}`, or another of: {}", KINDS.join(", ")))
}
