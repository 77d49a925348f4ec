//! What a proxy judged: DNS queries and HTTP requests.

use std::net::IpAddr;

use verdikt_scenario::flow::ProxyRequest;

use crate::messages::{Dns, Http, L7Type, Layer7};

/// The query or request that a proxy reports; none if verdikt makes no such attempts.
pub(super) fn request(l7: &Layer7) -> Option<ProxyRequest> {
    match (&l7.dns, &l7.http) {
        (Some(query), _) => Some(dns(query, l7)),
        (None, Some(request)) => Some(http(request)),
        (None, None) => None,
    }
}

pub(super) fn is_response(l7: &Layer7) -> bool {
    l7.kind == L7Type::Response as i32
}

fn dns(dns: &Dns, l7: &Layer7) -> ProxyRequest {
    let addresses: Vec<IpAddr> = dns.ips.iter().filter_map(|address| address.parse().ok()).collect();
    ProxyRequest::Dns {
        name: dns.query.strip_suffix('.').unwrap_or(&dns.query).to_owned(),
        kind: dns.qtypes.join(","),
        code: is_response(l7).then(|| code(dns.rcode)),
        ttl: (!addresses.is_empty()).then_some(dns.ttl),
        addresses,
    }
}

/// The names of response codes.
/// <https://www.iana.org/assignments/dns-parameters/dns-parameters.xhtml#dns-parameters-6>
fn code(number: u32) -> String {
    let names = ["NoError", "FormErr", "ServFail", "NXDomain", "NotImp", "Refused"];
    let name = usize::try_from(number).ok().and_then(|index| names.get(index));
    name.map_or_else(|| format!("code {number}"), ToString::to_string)
}

fn http(http: &Http) -> ProxyRequest {
    let (host, path) = split(&http.url);
    ProxyRequest::Http {
        method: http.method.clone(),
        path,
        host,
        status: u16::try_from(http.code).ok().filter(|status| *status != 0),
    }
}

/// Authority and path of a URL; a path alone has no authority.
fn split(url: &str) -> (String, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    (host.to_owned(), path)
}
