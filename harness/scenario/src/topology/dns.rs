//! The DNS server that the pods of a topology use.

use super::{DNS_PORT, DNS_SERVICE, Endpoint, Port, Protocol, Topology};
use crate::name::NamespacedName;

/// The DNS server of pods: the service of the cluster's DNS server, or a cache on their own node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// The service of the DNS server, if it is not `kube-system/kube-dns`.
    pub service: Option<NamespacedName>,
    /// The cache that answers in its place: the node if the cache is in the node's network, or a pod.
    /// <https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/>
    pub cache: Option<Endpoint>,
    /// Further servers; the next one is asked if the one before does not answer, is unreachable, refuses or fails.
    /// <https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-dns-config>
    pub nameservers: Vec<Nameserver>,
}

/// A DNS server that pods ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nameserver {
    /// The backends of a service.
    Service(NamespacedName),
    /// A host outside the cluster, or a node.
    Endpoint(Endpoint),
}

impl Topology {
    /// The service of the cluster's DNS server.
    pub fn dns_service(&self) -> Option<NamespacedName> {
        self.dns.service.clone().or_else(|| DNS_SERVICE.parse().ok())
    }

    /// The endpoints that answer the queries of pods first, each with its port, or none if it is not declared.
    pub fn dns_servers(&self, protocol: Protocol) -> Vec<(Endpoint, Option<Port>)> {
        if let Some(cache) = &self.dns.cache {
            return vec![(cache.clone(), Port::new(DNS_PORT))];
        }
        let service = self.dns_service().zip(Port::new(DNS_PORT));
        service.map(|(service, port)| self.behind(&service, protocol, port)).unwrap_or_default()
    }

    /// The endpoints that answer the queries of pods, for each of their servers in the order in which they are asked.
    pub fn all_dns_servers(&self, protocol: Protocol) -> Vec<Vec<(Endpoint, Option<Port>)>> {
        let port = Port::new(DNS_PORT);
        let further = self.dns.nameservers.iter().map(|server| match server {
            Nameserver::Service(service) => {
                port.map(|port| self.behind(service, protocol, port)).unwrap_or_default()
            }
            Nameserver::Endpoint(endpoint) => vec![(endpoint.clone(), port)],
        });
        std::iter::once(self.dns_servers(protocol)).chain(further).collect()
    }

    /// Whether an endpoint asks the cluster's DNS server: pods with a network of their own do.
    pub fn asks_cluster_dns(&self, endpoint: &Endpoint) -> bool {
        let Endpoint::Pod(name) = endpoint else { return false };
        let elsewhere = |pod: &super::Pod| pod.host_network.is_some() || pod.cluster.is_some();
        !self.pods.get(name).is_some_and(elsewhere)
    }
}
