//! Which address every endpoint and service of a topology has in the cluster.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use verdikt_probe::wire::{Resolver, Serve, Speaks, Zone};
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{
    CLUSTER_DOMAIN, DNS_POD, DNS_SERVICE, Endpoint, Port, Protocol, ServedProtocol, TargetPort, Topology,
};

/// The addresses of a topology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Of every endpoint that there is: one, or one of each family.
    pub endpoints: BTreeMap<Endpoint, Vec<IpAddr>>,
    /// Of every service.
    pub services: BTreeMap<NamespacedName, Vec<IpAddr>>,
}

impl Addresses {
    /// The one of these addresses that `source` uses: the first in a family that it has.
    pub fn reachable(&self, source: &Endpoint, addresses: &[IpAddr]) -> Option<IpAddr> {
        let own = self.endpoints.get(source)?;
        let in_family = |address: &&IpAddr| own.iter().any(|own| own.is_ipv4() == address.is_ipv4());
        addresses.iter().find(in_family).copied()
    }

    /// Addresses and ports behind one port of a service, in the order of the endpoints.
    pub fn behind(
        &self,
        topology: &Topology,
        service: &NamespacedName,
        protocol: Protocol,
        port: Port,
    ) -> Vec<SocketAddr> {
        let sockets = |endpoint: &Endpoint, port: Port| {
            let list = self.endpoints.get(endpoint).cloned().unwrap_or_default();
            list.into_iter().map(move |address| SocketAddr::new(address, port.get())).collect::<Vec<_>>()
        };
        let Some(known) = topology.services.get(service) else {
            let is_dns = service.to_string() == DNS_SERVICE && port.get() == 53;
            let dns = is_dns.then(|| DNS_POD.parse().ok()).flatten();
            return dns.map(|pod| sockets(&Endpoint::Pod(pod), port)).unwrap_or_default();
        };
        let offered = known.ports.iter().find(|offered| offered.port == port && offered.protocol == protocol);
        let Some(offered) = offered else { return Vec::new() };
        let target = |endpoint: &Endpoint| match &offered.target {
            TargetPort::Number(number) => Some(*number),
            TargetPort::Name(wanted) => {
                let mut served = topology.serves(endpoint).iter();
                served.find(|served| served.name.as_ref() == Some(wanted)).map(|served| served.port)
            }
        };
        let behind = topology.backends(service).into_iter();
        behind
            .flat_map(|endpoint| target(&endpoint).map(|port| sockets(&endpoint, port)).unwrap_or_default())
            .collect()
    }
}

/// The servers of an endpoint, without their numbers. SCTP needs a raw socket, which no agent of a pod has.
pub(crate) fn servers(topology: &Topology, endpoint: &Endpoint) -> Vec<Serve> {
    let each = topology.serves(endpoint).iter().filter_map(|served| {
        let speaks = match served.protocol {
            ServedProtocol::Http => Speaks::Http,
            ServedProtocol::Tcp => Speaks::Tcp,
            ServedProtocol::Udp => Speaks::Udp,
            ServedProtocol::Dns => Speaks::Dns,
            ServedProtocol::Sctp => return None,
        };
        Some(Serve { server: 0, speaks, port: served.port.get(), zone: Zone::default() })
    });
    each.collect()
}

/// How an endpoint resolves names. Pods ask the cluster's DNS; the others know the names of the topology.
/// <https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-config>
pub(crate) fn resolver(
    endpoint: &Endpoint,
    topology: &Topology,
    addresses: &Addresses,
    dns: &[IpAddr],
) -> Resolver {
    let server = addresses.reachable(endpoint, dns).map(|address| SocketAddr::new(address, 53));
    let servers = server.into_iter().collect();
    if let Endpoint::Pod(pod) = endpoint {
        let search = vec![
            format!("{}.svc.{CLUSTER_DOMAIN}", pod.namespace),
            format!("svc.{CLUSTER_DOMAIN}"),
            CLUSTER_DOMAIN.to_owned(),
        ];
        return Resolver { servers, search, ndots: 5, ..Resolver::default() };
    }
    let mut hosts: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for (service, list) in &addresses.services {
        hosts.insert(format!("{}.{}.svc.{CLUSTER_DOMAIN}", service.name, service.namespace), list.clone());
    }
    for (name, host) in &topology.world {
        let list = addresses.endpoints.get(&Endpoint::World(name.clone()));
        for dns_name in &host.names {
            hosts.entry(dns_name.to_string()).or_default().extend(list.into_iter().flatten());
        }
    }
    Resolver { hosts, servers, ..Resolver::default() }
}
