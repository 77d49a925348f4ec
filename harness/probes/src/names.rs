//! The DNS names of a topology: the answers of its DNS servers, and the resolvers of its endpoints.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{CLUSTER_DOMAIN, DNS_PORT, Endpoint, Nameserver, Protocol, Topology};
use verdikt_wire::{Records, Resolver, Zone};

use crate::addresses::Addresses;

/// The TTL of answers in seconds: longer than any run, so that no verdict depends on the clock.
const TTL: u32 = 86_400;

/// Every name of a topology: its services in the cluster's domain, and its world hosts.
pub fn zone(topology: &Topology, addresses: &Addresses) -> Zone {
    let mut zone = world_zone(topology);
    for (service, list) in &addresses.services {
        let name = format!("{}.{}.svc.{CLUSTER_DOMAIN}", service.name, service.namespace);
        let known = topology.services.get(service);
        let alias = known.and_then(|service| service.external_name.as_ref()).map(ToString::to_string);
        let records = match (&alias, known.is_some_and(|service| service.headless)) {
            (Some(_), _) => Records { addresses: Vec::new(), alias, ttl: TTL },
            (None, true) => Records { addresses: behind(topology, service, addresses), alias, ttl: TTL },
            (None, false) => Records { addresses: list.clone(), alias, ttl: TTL },
        };
        zone.names.insert(name, records);
    }
    zone
}

/// The addresses of everything behind a service.
fn behind(topology: &Topology, service: &NamespacedName, addresses: &Addresses) -> Vec<IpAddr> {
    let backends = topology.backends(service).into_iter();
    backends.flat_map(|backend| addresses.endpoints.get(&backend).cloned().unwrap_or_default()).collect()
}

/// The names of the world hosts only.
pub fn world_zone(topology: &Topology) -> Zone {
    let mut zone = Zone::default();
    for (outside, host) in &topology.world {
        for name in &host.names {
            let records = zone.names.entry(name.to_string()).or_default();
            records.ttl = TTL;
            records.addresses.push(host.address);
            records.addresses.extend(topology.second_addresses.get(outside));
        }
        for (alias, name) in &host.aliases {
            let alias_of = Some(name.to_string());
            zone.names
                .insert(alias.to_string(), Records { addresses: Vec::new(), alias: alias_of, ttl: TTL });
        }
    }
    zone
}

/// The addresses at the end of a chain of aliases.
fn behind_aliases(zone: &Zone, name: &str) -> Vec<IpAddr> {
    let mut seen = BTreeSet::new();
    let mut last = name;
    while let Some(records) = zone.names.get(last) {
        match &records.alias {
            Some(alias) if seen.insert(last) => last = alias,
            _ => return records.addresses.clone(),
        }
    }
    Vec::new()
}

/// The sockets of a DNS server.
fn of_nameserver(server: &Nameserver, addresses: &Addresses) -> Vec<SocketAddr> {
    let list = match server {
        Nameserver::Service(service) => addresses.services.get(service),
        Nameserver::Endpoint(endpoint) => addresses.endpoints.get(endpoint),
    };
    list.into_iter().flatten().map(|address| SocketAddr::new(*address, DNS_PORT)).collect()
}

/// The resolver of an endpoint. Pods ask the cluster's DNS server; other endpoints have their own resolvers, to which no
/// policy of the cluster applies.
/// <https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-config>
pub fn resolver(topology: &Topology, endpoint: &Endpoint, zone: &Zone, addresses: &Addresses) -> Resolver {
    let of_service = || {
        let list = match &topology.dns.cache {
            Some(cache) => addresses.endpoints.get(cache),
            None => topology.dns_service().and_then(|service| addresses.services.get(&service)),
        };
        let sockets = list.into_iter().flatten().map(|address| SocketAddr::new(*address, DNS_PORT));
        sockets.collect::<Vec<_>>()
    };
    let servers = match endpoint {
        // Hosts outside cannot reach cluster IPs, so they ask the server itself.
        Endpoint::World(_) => addresses.dns_servers(topology, Protocol::Udp),
        Endpoint::Pod(_) | Endpoint::Node(_) | Endpoint::Cilium(_) => of_service(),
    };
    let pod = match endpoint {
        Endpoint::Pod(pod) if topology.asks_cluster_dns(endpoint) => Some(pod),
        _ => None,
    };
    let reached = |servers: Vec<SocketAddr>| {
        let of_servers: Vec<IpAddr> = servers.iter().map(SocketAddr::ip).collect();
        let chosen = addresses.reachable(endpoint, &of_servers);
        servers.into_iter().filter(move |server| Some(server.ip()) == chosen)
    };
    let further = topology.dns.nameservers.iter().filter(|_| pod.is_some());
    let further = further.flat_map(|server| reached(of_nameserver(server, addresses)));
    let servers: Vec<SocketAddr> = reached(servers).chain(further).collect();
    let Some(pod) = pod else {
        let hosts = zone.names.keys().map(|name| (name.clone(), behind_aliases(zone, name)));
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
