//! Services: a name and an address in front of endpoints.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Labels, Port, Protocol};
use crate::name::{DnsName, HostName, PortName};

/// How far a service reaches.
/// <https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceType {
    /// No further than the cluster.
    #[default]
    ClusterIp,
    /// Hosts outside reach it by a port of the node too.
    NodePort,
    /// Hosts outside reach it by an address of a load balancer too.
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

/// To which backends a node leads the traffic of a service.
/// <https://kubernetes.io/docs/reference/networking/virtual-ips/#traffic-policies>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrafficPolicy {
    /// To any. What comes from outside and leads to another node has the address of the node it came in by.
    #[default]
    Cluster,
    /// To those on the node itself alone; the client's address stays.
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

/// A service: a name in front of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// How far it reaches.
    pub service_type: ServiceType,
    /// Where traffic from outside the cluster goes.
    pub external_traffic_policy: TrafficPolicy,
    /// Where traffic from inside the cluster goes.
    pub internal_traffic_policy: TrafficPolicy,
    /// Whether it has no address of its own: its name leads to the addresses behind it.
    pub headless: bool,
    /// The name outside the cluster that its own name is an alias of.
    pub external_name: Option<DnsName>,
    /// Addresses outside the cluster that lead to it too.
    pub external_ips: BTreeSet<IpAddr>,
    /// Whom its load balancer lets in; everybody, if empty.
    pub source_ranges: BTreeSet<IpNet>,
    /// Labels of the service object itself, which `k8sServiceSelector` matches.
    pub labels: Labels,
    /// The pods of its namespace behind it; none for a service without a selector.
    pub selects: Option<Labels>,
    /// Hosts outside and nodes behind a service without a selector.
    pub backends: BTreeSet<HostName>,
    /// What it offers.
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
    /// Whether hosts outside the cluster reach it by another address than that of the cluster.
    pub fn is_open_outside(&self) -> bool {
        self.service_type != ServiceType::ClusterIp || !self.external_ips.is_empty()
    }

    /// Whether hosts outside may come in over a node that puts its own address in the place of theirs.
    pub fn hides_clients(&self) -> bool {
        self.is_open_outside() && self.external_traffic_policy == TrafficPolicy::Cluster
    }
}
