//! The topology: namespaces, pods, services, nodes, and hosts outside the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::name::{DnsName, HostName, NamespaceName, NamespacedName, PortName};
use crate::settings::Settings;

/// Labels as Kubernetes writes them: key to value.
pub type Labels = BTreeMap<String, String>;

/// A port number.
pub type Port = NonZeroU16;

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServedProtocol {
    /// HTTP/1.1 over TCP.
    Http,
    /// A TCP echo.
    Tcp,
    /// A UDP echo.
    Udp,
    /// An SCTP echo (judged by the engine only).
    Sctp,
    /// DNS over UDP and TCP.
    Dns,
}

impl ServedProtocol {
    /// Whether a server of this kind answers on the transport protocol.
    pub fn answers(self, protocol: Protocol) -> bool {
        match self {
            Self::Http | Self::Tcp => protocol == Protocol::Tcp,
            Self::Udp => protocol == Protocol::Udp,
            Self::Sctp => protocol == Protocol::Sctp,
            Self::Dns => matches!(protocol, Protocol::Tcp | Protocol::Udp),
        }
    }
}

/// One server of a pod or host: `http 3000 as web`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// What it speaks.
    pub protocol: ServedProtocol,
    /// The port it listens on.
    pub port: Port,
    /// The name the pod declares for the port.
    pub name: Option<PortName>,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its labels.
    pub labels: Labels,
    /// Its service account; Kubernetes sets `default` where none is given.
    pub service_account: Option<String>,
    /// What it serves.
    pub serves: Vec<Served>,
}

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

/// A service: a name in front of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// How far it reaches.
    pub service_type: ServiceType,
    /// Labels of the service object itself, which `k8sServiceSelector` matches.
    pub labels: Labels,
    /// The pods of its namespace behind it; none for a service without a selector.
    pub selects: Option<Labels>,
    /// World hosts behind a service without a selector.
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

/// A host outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldHost {
    /// Its address. Given by the author, or one of 192.0.2.0/24.
    pub address: IpAddr,
    /// The DNS names that lead to it.
    pub names: BTreeSet<DnsName>,
    /// What it serves.
    pub serves: Vec<Served>,
}

/// A node of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Whether it runs the Kubernetes API server.
    pub api_server: bool,
    /// Its labels.
    pub labels: Labels,
    /// What it serves.
    pub serves: Vec<Served>,
}

/// An endpoint that Cilium runs itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CiliumEndpoint {
    /// The proxy of Cilium's Ingress and Gateway API: what a backend sees as its client.
    Ingress,
    /// The node's health endpoint.
    Health,
}

/// Namespaces, pods, services, nodes and the world around them, at one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Namespaces and their labels, as the author gave them.
    pub namespaces: BTreeMap<NamespaceName, Labels>,
    /// Pods.
    pub pods: BTreeMap<NamespacedName, Pod>,
    /// Services.
    pub services: BTreeMap<NamespacedName, Service>,
    /// Hosts outside the cluster.
    pub world: BTreeMap<HostName, WorldHost>,
    /// Nodes that take part. The one called `host` runs the pods; any other is a remote node.
    pub nodes: BTreeMap<HostName, Node>,
    /// Endpoints of Cilium's own that take part.
    pub cilium: BTreeSet<CiliumEndpoint>,
    /// What the cluster's Cilium is configured to do.
    pub settings: Settings,
}

/// The label that Kubernetes gives every namespace: its name.
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name>
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The node that runs the pods.
pub const LOCAL_NODE: &str = "host";

/// The namespace of the cluster's DNS server.
pub const DNS_NAMESPACE: &str = "kube-system";
/// The pod that is the cluster's DNS server. Every topology has it, though it is no source of a table unless named.
pub const DNS_POD: &str = "kube-system/coredns";
/// The labels by which policies know the DNS server.
pub const DNS_LABELS: [(&str, &str); 1] = [("k8s-app", "kube-dns")];
/// The service in front of the DNS server.
pub const DNS_SERVICE: &str = "kube-system/kube-dns";
/// The cluster's domain, in which services have their names.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// Anything that can be an end of traffic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// A pod.
    Pod(NamespacedName),
    /// A host outside the cluster.
    World(HostName),
    /// A node; `host` is the one that runs the pods.
    Node(HostName),
    /// An endpoint of Cilium's own.
    Cilium(CiliumEndpoint),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(name) => name.fmt(f),
            Self::World(name) | Self::Node(name) => name.fmt(f),
            Self::Cilium(CiliumEndpoint::Ingress) => f.pad("ingress"),
            Self::Cilium(CiliumEndpoint::Health) => f.pad("health"),
        }
    }
}

impl Topology {
    /// Adds a namespace, with the label that Kubernetes gives each, unless it is there.
    pub fn add_namespace(&mut self, namespace: NamespaceName) {
        let name = namespace.to_string();
        let labels = self.namespaces.entry(namespace).or_default();
        labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name);
    }

    /// Every source of a table, in the order of reports: pods, world hosts, nodes, Cilium's own endpoints.
    pub fn sources(&self) -> Vec<Endpoint> {
        let pods = self.pods.keys().cloned().map(Endpoint::Pod);
        let world = self.world.keys().cloned().map(Endpoint::World);
        let nodes = self.nodes.keys().cloned().map(Endpoint::Node);
        let cilium = self.cilium.iter().copied().map(Endpoint::Cilium);
        pods.chain(world).chain(nodes).chain(cilium).collect()
    }

    /// What an endpoint of this topology serves.
    pub fn serves(&self, endpoint: &Endpoint) -> &[Served] {
        match endpoint {
            Endpoint::Pod(name) => self.pods.get(name).map_or(&[], |pod| &pod.serves),
            Endpoint::World(name) => self.world.get(name).map_or(&[], |host| &host.serves),
            Endpoint::Node(name) => self.nodes.get(name).map_or(&[], |node| &node.serves),
            Endpoint::Cilium(_) => &[],
        }
    }

    /// The pods of a namespace, without looking at those of others.
    pub fn pods_of(&self, namespace: &NamespaceName) -> impl Iterator<Item = (&NamespacedName, &Pod)> {
        // No name of an object comes before it.
        let first = "0".parse().ok().map(|name| NamespacedName { namespace: namespace.clone(), name });
        let from = first.map_or(Bound::Unbounded, Bound::Included);
        let pods = self.pods.range((from, Bound::Unbounded));
        pods.skip_while(|(pod, _)| pod.namespace < *namespace)
            .take_while(|(pod, _)| pod.namespace == *namespace)
    }

    /// The endpoints behind a service: its pods, or its world hosts.
    pub fn backends(&self, name: &NamespacedName) -> Vec<Endpoint> {
        let Some(service) = self.services.get(name) else { return Vec::new() };
        match &service.selects {
            Some(selects) => self
                .pods_of(&name.namespace)
                .filter(|(_, spec)| selects.iter().all(|(key, value)| spec.labels.get(key) == Some(value)))
                .map(|(pod, _)| Endpoint::Pod(pod.clone()))
                .collect(),
            None => service.backends.iter().cloned().map(Endpoint::World).collect(),
        }
    }

    /// The endpoints behind one port of a service, each with its own port; none where it does not declare the name that
    /// the service means. Empty for a service or a port that there is not.
    pub fn behind(
        &self,
        service: &NamespacedName,
        protocol: Protocol,
        port: Port,
    ) -> Vec<(Endpoint, Option<Port>)> {
        let Some(known) = self.services.get(service) else {
            // The cluster's DNS server is there even where the topology does not speak of it.
            let is_dns = service.to_string() == DNS_SERVICE && port.get() == 53;
            let pod = is_dns.then(|| DNS_POD.parse().ok()).flatten();
            return pod.map(|pod| (Endpoint::Pod(pod), Some(port))).into_iter().collect();
        };
        let offered = known.ports.iter().find(|offered| offered.port == port && offered.protocol == protocol);
        let Some(offered) = offered else { return Vec::new() };
        let target = |endpoint: &Endpoint| match &offered.target {
            TargetPort::Number(number) => Some(*number),
            TargetPort::Name(wanted) => {
                let mut served = self.serves(endpoint).iter();
                served.find(|served| served.name.as_ref() == Some(wanted)).map(|served| served.port)
            }
        };
        let backends = self.backends(service).into_iter();
        backends
            .map(|endpoint| {
                let port = target(&endpoint);
                (endpoint, port)
            })
            .collect()
    }

    /// Who answers to a DNS name: a service of the cluster, or a world host.
    pub fn resolve(&self, name: &DnsName) -> Option<Resolved> {
        if let Some(service) = service_of_name(name) {
            let known = self.services.contains_key(&service) || service.to_string() == DNS_SERVICE;
            return known.then_some(Resolved::Service(service));
        }
        let hosts = self.world.iter().find(|(_, host)| host.names.contains(name));
        hosts.map(|(host, _)| Resolved::World(host.clone()))
    }
}

/// What a DNS name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// A service of the cluster.
    Service(NamespacedName),
    /// A host outside.
    World(HostName),
}

/// `api.backend.svc.cluster.local` names the service `backend/api`.
/// <https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/>
fn service_of_name(name: &DnsName) -> Option<NamespacedName> {
    let rest = name.as_str().strip_suffix(CLUSTER_DOMAIN)?.strip_suffix(".svc.")?;
    let (service, namespace) = rest.split_once('.')?;
    Some(NamespacedName { namespace: namespace.parse().ok()?, name: service.parse().ok()? })
}
