//! The names of a topology: what its DNS servers answer, and how its endpoints resolve.

use std::net::SocketAddr;

use verdikt_probe::wire::{Records, Resolver, Zone};
use verdikt_scenario::topology::{CLUSTER_DOMAIN, DNS_POD, DNS_SERVICE, Endpoint, Topology};

use crate::addresses::Addresses;

/// For how many seconds answers may be kept: longer than any run, so that no verdict depends on the clock.
const TTL: u32 = 86_400;

/// Every name of a topology: its services in the cluster's domain, and its world hosts.
pub fn zone(topology: &Topology, addresses: &Addresses) -> Zone {
    let mut zone = world_zone(topology);
    for (service, list) in &addresses.services {
        let name = format!("{}.{}.svc.{CLUSTER_DOMAIN}", service.name, service.namespace);
        zone.names.insert(name, Records { addresses: list.clone(), alias: None, ttl: TTL });
    }
    zone
}

/// The names of the world hosts alone.
pub fn world_zone(topology: &Topology) -> Zone {
    let mut zone = Zone::default();
    for host in topology.world.values() {
        for name in &host.names {
            let records = zone.names.entry(name.to_string()).or_default();
            records.ttl = TTL;
            records.addresses.push(host.address);
        }
    }
    zone
}

/// How an endpoint resolves names. Pods ask the cluster's DNS server; others have resolvers of their own, which no
/// policy of the cluster touches.
/// <https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-config>
pub fn resolver(endpoint: &Endpoint, zone: &Zone, addresses: &Addresses) -> Resolver {
    let dns = match endpoint {
        // The addresses of services are the cluster's own: from outside, the server itself is asked.
        Endpoint::World(_) => {
            DNS_POD.parse().ok().and_then(|pod| addresses.endpoints.get(&Endpoint::Pod(pod)))
        }
        Endpoint::Pod(_) | Endpoint::Node(_) | Endpoint::Cilium(_) => {
            DNS_SERVICE.parse().ok().and_then(|service| addresses.services.get(&service))
        }
    };
    let server = dns.and_then(|list| addresses.reachable(endpoint, list));
    let servers = server.map(|address| SocketAddr::new(address, 53)).into_iter().collect();
    let Endpoint::Pod(pod) = endpoint else {
        let hosts = zone.names.iter().map(|(name, records)| (name.clone(), records.addresses.clone()));
        return Resolver { hosts: hosts.collect(), servers, ..Resolver::default() };
    };
    Resolver {
        servers,
        search: vec![
            format!("{}.svc.{CLUSTER_DOMAIN}", pod.namespace),
            format!("svc.{CLUSTER_DOMAIN}"),
            CLUSTER_DOMAIN.to_owned(),
        ],
        ndots: 5,
        ..Resolver::default()
    }
}
