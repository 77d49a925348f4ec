//! The servers of an endpoint's probe.

use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{DNS_POD, DNS_PORT, Endpoint, ServedProtocol, Topology};
use verdikt_wire::{Serve, Speaks, WireCertificate, WireTrust, Zone};

/// The servers of an endpoint, without their numbers. Its DNS servers know the names of `zone`.
pub fn servers(topology: &Topology, endpoint: &Endpoint, zone: &Zone) -> Vec<Serve> {
    if topology.silent.contains(endpoint) {
        return Vec::new();
    }
    let declared = topology.serves(endpoint).iter().map(|served| (served.protocol, served.port.get()));
    // The cluster's DNS server answers even if the topology does not contain it.
    let implicit = matches!(endpoint, Endpoint::Pod(pod) if pod.to_string() == DNS_POD && !topology.pods.contains_key(pod));
    let is_cache = topology.dns.cache.as_ref() == Some(endpoint)
        && !topology.serves(endpoint).iter().any(|served| served.port.get() == DNS_PORT);
    let servers = declared.chain((implicit || is_cache).then_some((ServedProtocol::Dns, DNS_PORT)));
    servers
        .map(|(protocol, port)| {
            let (speaks, zone) = match protocol {
                ServedProtocol::Http => (Speaks::Http, Zone::default()),
                ServedProtocol::Https => (Speaks::Https, Zone::default()),
                ServedProtocol::Tcp => (Speaks::Tcp, Zone::default()),
                ServedProtocol::Udp => (Speaks::Udp, Zone::default()),
                ServedProtocol::Sctp => (Speaks::Sctp, Zone::default()),
                ServedProtocol::Dns => (Speaks::Dns, zone.clone()),
            };
            let certificate = if speaks == Speaks::Https {
                certificate(topology, endpoint)
            } else {
                WireCertificate::default()
            };
            Serve { server: 0, speaks, port, zone, certificate }
        })
        .collect()
}

/// What the servers of an endpoint show.
fn certificate(topology: &Topology, endpoint: &Endpoint) -> WireCertificate {
    let shown = topology.certificate_of(endpoint);
    shown.map_or_else(WireCertificate::default, |secret| certificate_of_secret(topology, secret))
}

/// The certificate of a secret; one that is made up, signed by an authority of the secret's name, where the secret has none.
pub fn certificate_of_secret(topology: &Topology, name: &NamespacedName) -> WireCertificate {
    let secret = topology.secrets.get(name);
    let pem = secret.and_then(|secret| {
        Some((secret.certificate.as_deref()?.to_owned(), secret.key.as_deref()?.to_owned()))
    });
    WireCertificate { authority: name.to_string(), pem }
}

/// Whom an endpoint trusts as a client, beside what servers show themselves; none where it takes any certificate.
pub fn trust(topology: &Topology, client: &Endpoint) -> Option<WireTrust> {
    let trusted = topology.trusts.get(client)?;
    let of_servers = topology.certificates.values();
    let made = trusted.iter().chain(of_servers.clone()).map(ToString::to_string).collect();
    let held = |name: &NamespacedName| topology.secrets.get(name);
    let pem = trusted.iter().filter_map(|name| held(name)?.trusted().map(str::to_owned)).collect();
    let shown = |name: &NamespacedName| held(name)?.certificate.as_deref().map(str::to_owned);
    Some(WireTrust { made, pem, servers: of_servers.filter_map(shown).collect() })
}

/// By what a proxy judges servers: the authorities of a secret.
pub fn trust_of_proxy(topology: &Topology, authorities: &NamespacedName) -> WireTrust {
    let secret = topology.secrets.get(authorities);
    let pem = secret.and_then(|secret| secret.authorities.as_deref()).map(str::to_owned);
    WireTrust { made: vec![authorities.to_string()], pem: pem.into_iter().collect(), servers: Vec::new() }
}
