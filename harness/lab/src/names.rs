//! How programs inside an endpoint resolve names: like its probe.

use std::net::IpAddr;

use verdikt_scenario::topology::Endpoint;
use verdikt_wire::Resolver;

/// The resolver configuration of a program, as the content of two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// `/etc/resolv.conf`
    pub resolv_conf: String,
    /// `/etc/hosts`
    pub hosts: String,
}

/// The files of an endpoint with these addresses.
pub fn resolution(resolver: &Resolver, endpoint: &Endpoint, own: &[IpAddr]) -> Resolution {
    let mut lines: Vec<String> =
        resolver.servers.iter().map(|server| format!("nameserver {}", server.ip())).collect();
    if !resolver.search.is_empty() {
        lines.push(format!("search {}", resolver.search.join(" ")));
    }
    lines.push(format!("options ndots:{}", resolver.ndots.max(1)));
    let resolv_conf = lines.join("\n") + "\n";
    let name = match endpoint {
        Endpoint::Pod(pod) => pod.name.to_string(),
        other => other.to_string(),
    };
    let own = own.iter().map(|address| (address, &name));
    let known =
        resolver.hosts.iter().flat_map(|(name, list)| list.iter().map(move |address| (address, name)));
    let mut lines = vec!["127.0.0.1 localhost".to_owned(), "::1 localhost".to_owned()];
    lines.extend(own.chain(known).map(|(address, name)| format!("{address} {name}")));
    let hosts = lines.join("\n") + "\n";
    Resolution { resolv_conf, hosts }
}
