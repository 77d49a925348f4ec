//! Servers, labels and ports: the short texts of a topology.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::mistake::{Mistake, Mistakes};
use super::suggest::did_you_mean;
use crate::file::{Located, LocatedMap};
use crate::name::{PortName, is_dns_subdomain};
use crate::topology::{Labels, Port, Protocol, Served, ServedProtocol, TargetPort};

const PROTOCOLS: &[(&str, ServedProtocol)] = &[
    ("http", ServedProtocol::Http),
    ("https", ServedProtocol::Https),
    ("tcp", ServedProtocol::Tcp),
    ("udp", ServedProtocol::Udp),
    ("sctp", ServedProtocol::Sctp),
    ("dns", ServedProtocol::Dns),
];

/// Protocols inside TLS other than HTTP, for which scenarios have no word.
pub(crate) const IN_TLS: [&str; 2] = ["tls", "grpcs"];

/// The mistake of naming such a protocol.
pub(crate) fn in_tls(word: &str) -> Mistake {
    let message = format!("`{word}` is not supported: inside TLS a scenario has only HTTP");
    let help = "write `https`: policies see only the server name, whatever is inside";
    Mistake::new(message).help(help.to_owned())
}

/// A port number from 1 to 65535.
pub(crate) fn port(text: &str) -> Result<Port, Mistake> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let number = if digits { text.parse::<Port>().ok() } else { None };
    number.ok_or_else(|| {
        let help = match text.split_once(['-', ':', ',']) {
            Some((first, _)) if first.parse::<u16>().is_ok() => Some(format!("write one port: `{first}`")),
            _ if digits => Some("write the number of the port on which the server listens".to_owned()),
            _ => None,
        };
        Mistake::new(format!("`{text}` is not a port: ports are numbers from 1 to 65535")).help(help)
    })
}

/// The largest range of ports: each port has its own server.
const LARGEST_RANGE: u16 = 100;

/// `http 3000 as web`, `tcp 8000-8010`.
pub(crate) fn served(text: &str) -> Result<Vec<Served>, Mistake> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (protocol, number, name) = match words[..] {
        [protocol, number] => (protocol, number, None),
        [protocol, number, "as", name] => (protocol, number, Some(name)),
        _ => {
            let message = format!("`{text}` does not say what is served");
            return Err(Mistake::new(message).help(format!("write {}", "`http 80` or `http 3000 as web`")));
        }
    };
    let known = PROTOCOLS.iter().find(|(word, _)| *word == protocol);
    let Some((_, protocol)) = known else {
        if IN_TLS.contains(&protocol) {
            return Err(in_tls(protocol));
        }
        let words: Vec<&str> = PROTOCOLS.iter().map(|(word, _)| *word).collect();
        let message = format!("`{protocol}` is not a protocol that a pod or host can serve");
        return Err(Mistake::new(message).help(did_you_mean(protocol, "it can serve", &words)));
    };
    let name = name.map(str::parse::<PortName>).transpose()?;
    let (first, last) = match number.split_once('-') {
        Some((first, last)) if first.is_empty() || last.is_empty() => {
            let mistake = Mistake::new(format!("`{number}` is a range without an end"));
            return Err(mistake.help("write both ports: `8000-8010`".to_owned()));
        }
        Some((first, last)) => (port(first)?, port(last)?),
        None if number.contains(':') => {
            let mistake = Mistake::new(format!("`{number}` is neither a port nor a range of ports"));
            return Err(mistake.help(format!("write `{}`", number.replace(':', "-"))));
        }
        None => (port(number)?, port(number)?),
    };
    if last < first || last.get() - first.get() >= LARGEST_RANGE {
        let mistake = Mistake::new(format!("`{number}` is not a range of 2 to {LARGEST_RANGE} ports"));
        return Err(mistake.help("write the lower port first".to_owned()));
    }
    if name.is_some() && first != last {
        return Err(Mistake::new(format!("`{text}` gives several ports one name")));
    }
    let ports = (first.get()..=last.get()).filter_map(Port::new);
    Ok(ports.map(|port| Served { protocol: *protocol, port, name: name.clone() }).collect())
}

/// Everything that an endpoint serves. A port or port name that occurs twice is a mistake. The flag tells whether all
/// of it was understood.
pub(crate) fn all_served(
    texts: &[Located<String>],
    file: &Arc<str>,
    mistakes: &mut Mistakes,
) -> (Vec<Served>, bool) {
    let mut all: Vec<Served> = Vec::new();
    let mut understood = true;
    for text in texts {
        let Some(served) = mistakes.keep(file, text.position, served(&text.value)) else {
            understood = false;
            continue;
        };
        for served in served {
            let overlaps = |other: &Served| {
                other.port == served.port
                    && [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].iter().any(|protocol| {
                        other.protocol.answers(*protocol) && served.protocol.answers(*protocol)
                    })
            };
            if all.iter().any(overlaps) {
                let mistake = Mistake::new(format!("port {} is served twice", served.port));
                mistakes.add(file, text.position, mistake);
            }
            if let Some(name) = &served.name
                && all.iter().any(|other| other.name.as_ref() == Some(name))
            {
                mistakes.add(file, text.position, Mistake::new(format!("two ports are called `{name}`")));
            }
            all.push(served);
        }
    }
    (all, understood)
}

/// A service's port: `8080`, `53/udp`.
pub(crate) fn service_port(text: &str) -> Result<(Port, Protocol), Mistake> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => {
            let help = did_you_mean(protocol, "the protocols of a service are", &["tcp", "udp", "sctp"]);
            return Err(Mistake::new(format!("`{protocol}` is not a protocol of a service")).help(help));
        }
    };
    Ok((port(number)?, protocol))
}

/// The port of the pods behind a service.
pub(crate) fn target_port(word: &crate::file::TargetPortWord) -> Result<TargetPort, Mistake> {
    match word {
        crate::file::TargetPortWord::Number(number) => port(&number.to_string()).map(TargetPort::Number),
        crate::file::TargetPortWord::Name(name) if name.bytes().all(|c| c.is_ascii_digit()) => {
            port(name).map(TargetPort::Number)
        }
        crate::file::TargetPortWord::Name(name) => Ok(TargetPort::Name(name.parse()?)),
    }
}

/// Labels, with the rules Kubernetes has for them.
pub(crate) fn labels(
    table: &LocatedMap<Located<String>>,
    file: &Arc<str>,
    mistakes: &mut Mistakes,
) -> Labels {
    let mut labels = Labels::new();
    let mut seen = BTreeSet::new();
    for (key, value) in table {
        let key_is_good = mistakes.keep(file, key.position, label_key(&key.value)).is_some();
        let value_is_good = mistakes.keep(file, value.position, label_value(&value.value)).is_some();
        if key_is_good && value_is_good && seen.insert(&key.value) {
            labels.insert(key.value.clone(), value.value.clone());
        }
    }
    labels
}

/// A label's key: a name of at most 63 characters, with an optional DNS prefix.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>
pub(crate) fn label_key(key: &str) -> Result<(), Mistake> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if prefix.is_none_or(is_dns_subdomain) && !name.is_empty() && is_label_text(name) {
        return Ok(());
    }
    let help = "letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit, \
                and before it perhaps a DNS name and `/`";
    Err(Mistake::new(format!("`{key}` is not a label key")).help(help.to_owned()))
}

/// A label's value: empty, or as the name of a key.
pub(crate) fn label_value(value: &str) -> Result<(), Mistake> {
    if value.is_empty() || is_label_text(value) {
        return Ok(());
    }
    let help = "letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit";
    Err(Mistake::new(format!("`{value}` is not a label value")).help(help.to_owned()))
}

fn is_label_text(text: &str) -> bool {
    let edge = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
}
