//! The servers of an endpoint's probe.

use verdikt_scenario::topology::{DNS_POD, DNS_PORT, Endpoint, ServedProtocol, Topology};
use verdikt_wire::{Serve, Speaks, Zone};

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
            Serve { server: 0, speaks, port, zone }
        })
        .collect()
}
