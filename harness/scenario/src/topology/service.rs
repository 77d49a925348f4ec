//! Services: a name and an address in front of endpoints.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Labels, Port, Protocol};
use crate::name::{DnsName, HostName, PortName};

/// The type of a service.
/// <https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceType {
    /// Reachable only in the cluster.
    #[default]
    ClusterIp,
    /// Reachable from outside by a port of the node too.
    NodePort,
    /// Reachable from outside by the address of a load balancer too.
    LoadBalancer,
}

impl fmt::Display for ServiceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        })
    }
}

/// Which backends receive the traffic of a service.
/// <https://kubernetes.io/docs/reference/networking/virtual-ips/#traffic-policies>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrafficPolicy {
    /// All backends. Traffic from outside to a backend on another node has the address of the node through which it
    /// entered.
    #[default]
    Cluster,
    /// Only the backends on the same node; the client's address stays.
    Local,
}

impl fmt::Display for TrafficPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cluster => "Cluster",
            Self::Local => "Local",
        })
    }
}

/// A service: a name in front of endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its type.
    pub service_type: ServiceType,
    /// The backends of traffic from outside the cluster.
    pub external_traffic_policy: TrafficPolicy,
    /// The backends of traffic from inside the cluster.
    pub internal_traffic_policy: TrafficPolicy,
    /// Whether it is headless: its name resolves to the addresses of its backends.
    pub headless: bool,
    /// The name outside the cluster that its own name is an alias of.
    pub external_name: Option<DnsName>,
    /// Further addresses of it, outside the cluster.
    pub external_ips: BTreeSet<IpAddr>,
    /// The address ranges that its load balancer accepts; if empty, every address.
    pub source_ranges: BTreeSet<IpNet>,
    /// Labels of the service object itself, which `k8sServiceSelector` matches.
    pub labels: Labels,
    /// The labels of its pods, in its namespace; none for a service without a selector.
    pub selects: Option<Labels>,
    /// Hosts outside and nodes behind a service without a selector.
    pub backends: BTreeSet<HostName>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// The port clients use.
    pub port: Port,
    /// Its protocol.
    pub protocol: Protocol,
    /// The port of the pods behind it.
    pub target: TargetPort,
}

/// The port of the pod behind a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// By number.
    Number(Port),
    /// By the name each pod declares.
    Name(PortName),
}

impl Service {
    /// Whether hosts outside the cluster reach it by another address than its cluster address.
    pub fn is_open_outside(&self) -> bool {
        self.service_type != ServiceType::ClusterIp || !self.external_ips.is_empty()
    }

    /// Whether hosts outside may enter through a node that replaces their address with its own.
    pub fn hides_clients(&self) -> bool {
        self.is_open_outside() && self.external_traffic_policy == TrafficPolicy::Cluster
    }
}
