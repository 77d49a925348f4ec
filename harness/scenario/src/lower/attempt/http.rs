//! HTTP attempts: a method, a target with its path, or a URL, and headers.

use super::super::answers::reachable;
use super::super::mistake::Mistake;
use super::super::served;
use super::{URLS, find_source, port_of, split_prefix, target};
use crate::attempt::{Attempt, Request, Scheme};
use crate::lower::topology::routes::routed;
use crate::topology::{CiliumEndpoint, Endpoint, Protocol, Topology};

/// Parses an HTTP attempt without its first word.
pub(super) fn http(scheme: Scheme, text: &str, topology: &Topology) -> Result<Attempt, Mistake> {
    let form = || format!("write `{scheme} GET namespace/name:8080/path Header=value`");
    let mut words = text.split_whitespace();
    let (Some(method), Some(url)) = (words.next(), words.next()) else {
        return Err(Mistake::new("the HTTP attempt has no target").help(form()));
    };
    if !is_token(method) || method.bytes().any(|c| c.is_ascii_lowercase()) {
        let mistake = Mistake::new(format!("`{method}` is not an HTTP method"));
        return Err(mistake.help(format!("methods are written in capitals: `{scheme} GET …`")));
    }
    let (prefix, url) = split_prefix(url);
    let of_url = URLS.iter().find_map(|(begin, carried)| Some((url.strip_prefix(begin)?, *carried)));
    if let Some((rest, other)) = of_url.filter(|(_, carried)| *carried != scheme) {
        let mistake = Mistake::new(format!("`{url}` is not an address of {scheme}"));
        return Err(mistake.help(format!("write `{other} {method} {rest}`")));
    }
    let split = match of_url.map(|(rest, _)| rest) {
        // A URL as other programs write it: the first slash ends its authority.
        Some(rest) => Some(rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash))),
        None => split_url(url, topology),
    };
    let Some((authority, path)) = split else {
        return Err(Mistake::new(format!("`{url}` has no path")).help(form()));
    };
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (authority, None),
    };
    let mut headers = Vec::new();
    for word in words {
        let header = word.split_once('=').filter(|(name, _)| is_token(name));
        let Some((name, value)) = header else {
            let mistake = Mistake::new(format!("`{word}` is not a header"));
            return Err(mistake.help("write `Name=value`".to_owned()));
        };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let target = target(prefix, name, topology)?;
    let port = match port {
        Some(port) => port_of(&target, port, topology)?,
        None => served::port(&scheme.default_port().to_string())?,
    };
    if scheme == Scheme::Https && target.endpoint() == Some(&Endpoint::Cilium(CiliumEndpoint::Ingress)) {
        let mistake = Mistake::new("the gateway's listener speaks plain HTTP here");
        return Err(mistake.help(format!("write `http {method} {name}:80{path}`")));
    }
    reachable(&target, Protocol::Tcp, port, Some(scheme), topology)?;
    let request = Request { scheme, method: method.to_owned(), path: path.to_owned(), headers };
    routed(&target, &request, topology)?;
    Ok(Attempt::Http { target, port, request })
}

/// A token of HTTP: <https://www.rfc-editor.org/rfc/rfc9110#name-tokens>
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c))
}

/// Splits `T[:PORT]/PATH`, in which a pod's or service's name has a slash of its own.
fn split_url<'a>(url: &'a str, topology: &Topology) -> Option<(&'a str, &'a str)> {
    let first = url.find('/')?;
    let second = url[first + 1..].find('/').map(|offset| first + 1 + offset);
    let head = &url[..first];
    let at = |index: usize| (&url[..index], &url[index..]);
    if head.contains([':', '.']) {
        return Some(at(first));
    }
    let is_host = find_source(head, topology).is_some();
    match second {
        Some(second) if !is_host => Some(at(second)),
        // A host and a namespace may share a name; the longer reading wins if it exists.
        Some(second) => {
            let name = at(second).0.rsplit_once(':').map_or(at(second).0, |(name, _)| name);
            let leads = target(None, name, topology).is_ok();
            Some(at(if leads { second } else { first }))
        }
        None => is_host.then(|| at(first)),
    }
}
