//! The topology: namespaces, pods, services, nodes, and hosts outside the cluster.

mod addresses;
mod api_channel;
mod api_server;
mod dns;
mod host_ports;
mod names;
mod redirects;
mod routes;
mod secrets;
mod served;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::ops::Bound;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::api_channel::ApiChannel;
pub use self::api_server::{API_SERVER_PORT, API_SERVER_SERVICE, is_own_service};
pub use self::dns::{Dns, Nameserver};
pub use self::names::Resolved;
pub use self::redirects::{LocalRedirect, RedirectFrontend};

pub use self::routes::GatewayRoute;
pub use self::secrets::TlsSecret;
pub use self::served::{Served, ServedProtocol};
pub use self::service::{Service, ServicePort, ServiceType, TargetPort, TrafficPolicy};
use crate::ip_family::IpFamily;
use crate::name::{DnsName, HostName, NamespaceName, NamespacedName};
use crate::settings::Settings;

/// Labels as Kubernetes writes them: key to value.
pub type Labels = BTreeMap<String, String>;

/// A port number.
pub type Port = NonZeroU16;

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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

/// Whether an object has all labels of a selector.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#equality-based-requirement>
pub fn has_labels(labels: &Labels, selector: &Labels) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its labels.
    pub labels: Labels,
    /// Its service account; Kubernetes sets `default` where none is given.
    pub service_account: Option<String>,
    /// The node whose network it uses, unless it has its own: policies then treat it as that node.
    pub host_network: Option<HostName>,
    /// The cluster of the mesh that it is in, if it is another one.
    pub cluster: Option<String>,
    /// Its servers.
    pub serves: Vec<Served>,
    /// Ports of its node that are forwarded to it.
    pub host_ports: Vec<ServicePort>,
}

/// A host outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldHost {
    /// Its address, given by the author or one of 192.0.2.0/24.
    pub address: IpAddr,
    /// The DNS names that resolve to it.
    pub names: BTreeSet<DnsName>,
    /// DNS names that are aliases, each with its target: a name of this host, or another alias.
    pub aliases: BTreeMap<DnsName, DnsName>,
    /// Its servers.
    pub serves: Vec<Served>,
    /// Whether it runs the Kubernetes API server, as a managed service outside the cluster.
    pub api_server: bool,
}

/// A node of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Whether it runs the Kubernetes API server.
    pub api_server: bool,
    /// Its address, if the author gives one.
    pub address: Option<IpAddr>,
    /// Its labels.
    pub labels: Labels,
    /// Its servers.
    pub serves: Vec<Served>,
}

/// An endpoint that Cilium runs itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CiliumEndpoint {
    /// The proxy of Cilium's Ingress and Gateway API, which a backend sees as its client.
    Ingress,
    /// The node's health endpoint.
    Health,
}

/// Namespaces, pods, services, nodes, and hosts outside the cluster, at one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Namespaces with their labels, as the author gave them.
    pub namespaces: BTreeMap<NamespaceName, Labels>,
    /// Pods.
    pub pods: BTreeMap<NamespacedName, Pod>,
    /// Services.
    pub services: BTreeMap<NamespacedName, Service>,
    /// Hosts outside the cluster.
    pub world: BTreeMap<HostName, WorldHost>,
    /// Nodes that take part. The one called `host` runs the pods; any other is a remote node.
    pub nodes: BTreeMap<HostName, Node>,
    /// The endpoints of Cilium that take part.
    pub cilium: BTreeSet<CiliumEndpoint>,
    /// The IPv6 addresses of hosts outside that have another address too.
    pub second_addresses: BTreeMap<HostName, IpAddr>,
    /// Endpoints in audit mode, unless all are.
    pub audited: BTreeSet<Endpoint>,
    /// The routes of the gateway.
    pub routes: Vec<GatewayRoute>,
    /// Local redirect policies by name.
    pub redirects: BTreeMap<NamespacedName, LocalRedirect>,
    /// Endpoints that never answer.
    pub silent: BTreeSet<Endpoint>,
    /// The DNS server of pods.
    pub dns: Dns,
    /// Secrets with certificates that the cluster has.
    pub secrets: BTreeMap<NamespacedName, TlsSecret>,
    /// The secret with the certificate that the servers of an endpoint present, unless everybody trusts it.
    pub certificates: BTreeMap<Endpoint, NamespacedName>,
    /// The secrets that clients trust besides the common authorities; clients that are not listed accept any
    /// certificate.
    pub trusts: BTreeMap<Endpoint, BTreeSet<NamespacedName>>,
    /// The channel of the network policy API of the API server.
    pub network_policy_api: ApiChannel,
    /// The settings of the cluster's Cilium.
    pub settings: Settings,
}

/// The label that Kubernetes gives every namespace: its name.
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name>
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The node that runs the pods.
pub const LOCAL_NODE: &str = "host";
/// The node through which hosts outside enter, if a topology names no other node.
pub const REMOTE_NODE: &str = "remote-node";

/// The namespace of the cluster's DNS server.
pub const DNS_NAMESPACE: &str = "kube-system";
/// The pod that is the cluster's DNS server. Every topology has it, but it is a source of a table only if it is
/// named.
pub const DNS_POD: &str = "kube-system/coredns";
/// The labels of the DNS server, by which policies select it.
pub const DNS_LABELS: [(&str, &str); 1] = [("k8s-app", "kube-dns")];
/// The service of the DNS server.
pub const DNS_SERVICE: &str = "kube-system/kube-dns";
/// The port of the DNS server, and of every other DNS server.
pub const DNS_PORT: u16 = 53;
/// The domain of the cluster, which contains the names of services.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// An end of traffic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// A pod.
    Pod(NamespacedName),
    /// A host outside the cluster.
    World(HostName),
    /// A node; `host` is the one that runs the pods.
    Node(HostName),
    /// An endpoint that Cilium runs itself.
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
    /// Adds a namespace, with the label that Kubernetes gives to each, unless it exists.
    pub fn add_namespace(&mut self, namespace: NamespaceName) {
        let name = namespace.to_string();
        let labels = self.namespaces.entry(namespace).or_default();
        labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name);
    }

    /// Every source of a table, in the order of reports: pods, hosts outside, nodes, endpoints of Cilium.
    pub fn sources(&self) -> Vec<Endpoint> {
        let pods = self.pods.keys().cloned().map(Endpoint::Pod);
        let world = self.world.keys().cloned().map(Endpoint::World);
        let nodes = self.nodes.keys().cloned().map(Endpoint::Node);
        let cilium = self.cilium.iter().copied().map(Endpoint::Cilium);
        pods.chain(world).chain(nodes).chain(cilium).collect()
    }

    /// The servers of an endpoint.
    pub fn serves(&self, endpoint: &Endpoint) -> &[Served] {
        match endpoint {
            Endpoint::Pod(name) => self.pods.get(name).map_or(&[], |pod| &pod.serves),
            Endpoint::World(name) => self.world.get(name).map_or(&[], |host| &host.serves),
            Endpoint::Node(name) => self.nodes.get(name).map_or(&[], |node| &node.serves),
            Endpoint::Cilium(endpoint) => served_by_cilium(*endpoint),
        }
    }

    /// The pods of a namespace, found without reading those of other namespaces.
    pub fn pods_of(&self, namespace: &NamespaceName) -> impl Iterator<Item = (&NamespacedName, &Pod)> {
        // No object has a name that is sorted before it.
        let first = "0".parse().ok().map(|name| NamespacedName { namespace: namespace.clone(), name });
        let from = first.map_or(Bound::Unbounded, Bound::Included);
        let pods = self.pods.range((from, Bound::Unbounded));
        pods.skip_while(|(pod, _)| pod.namespace < *namespace)
            .take_while(|(pod, _)| pod.namespace == *namespace)
    }

    /// Whether a service has no address of its own, so that its name resolves to its backends.
    /// <https://kubernetes.io/docs/concepts/services-networking/service/#headless-services>
    pub fn is_headless(&self, name: &NamespacedName) -> bool {
        self.services.get(name).is_some_and(|service| service.headless)
    }

    /// Whether the cluster has addresses of both families.
    pub fn is_dual_stack(&self) -> bool {
        self.settings.ipv6
            || !self.second_addresses.is_empty()
            || self.world.values().any(|host| host.address.is_ipv6())
    }

    /// The address of a host outside in a family, if the author gives one.
    pub fn world_address(&self, host: &HostName, family: IpFamily) -> Option<IpAddr> {
        let first = self.world.get(host).map(|host| host.address);
        let second = self.second_addresses.get(host).copied();
        first.into_iter().chain(second).find(|address| family.has(*address))
    }

    /// The endpoints behind a service: its pods, or the hosts outside and nodes that it names.
    pub fn backends(&self, name: &NamespacedName) -> Vec<Endpoint> {
        let Some(service) = self.services.get(name) else { return Vec::new() };
        match &service.selects {
            Some(selects) => self
                .pods_of(&name.namespace)
                .filter(|(_, spec)| spec.cluster.is_none())
                .filter(|(_, spec)| has_labels(&spec.labels, selects))
                .map(|(pod, _)| Endpoint::Pod(pod.clone()))
                .collect(),
            None => service.backends.iter().map(|host| self.host_or_node(host)).collect(),
        }
    }

    /// A node that runs no pods: the first without an API server, or one that no table names.
    pub fn other_node(&self) -> Option<HostName> {
        let others = || self.nodes.iter().filter(|(name, _)| name.as_str() != LOCAL_NODE);
        let plain = others().find(|(_, node)| !node.api_server).or_else(|| others().next());
        plain.map(|(name, _)| name.clone()).or_else(|| REMOTE_NODE.parse().ok())
    }

    /// The node whose network an endpoint uses, which may be itself.
    pub fn node_of<'a>(&'a self, endpoint: &'a Endpoint) -> Option<&'a HostName> {
        match endpoint {
            Endpoint::Node(name) => Some(name),
            Endpoint::Pod(name) => self.pods.get(name)?.host_network.as_ref(),
            Endpoint::World(_) | Endpoint::Cilium(_) => None,
        }
    }

    /// Nodes that exist although the topology does not name them: the one that runs the pods, and another one if
    /// hosts outside enter through it.
    pub fn implied_nodes(&self) -> Vec<HostName> {
        let has_relays = self.services.values().any(Service::hides_clients);
        let other = self.other_node().filter(|_| has_relays);
        let nodes = LOCAL_NODE.parse().ok().into_iter().chain(other);
        nodes.filter(|name| !self.nodes.contains_key(name)).collect()
    }

    fn host_or_node(&self, name: &HostName) -> Endpoint {
        let name = name.clone();
        if self.nodes.contains_key(&name) { Endpoint::Node(name) } else { Endpoint::World(name) }
    }

    /// The endpoints behind one port of a service, each with its own port, or none if it does not declare the port
    /// name that the service uses. Empty for a service or port that does not exist.
    pub fn behind(
        &self,
        service: &NamespacedName,
        protocol: Protocol,
        port: Port,
    ) -> Vec<(Endpoint, Option<Port>)> {
        let Some(known) = self.services.get(service) else {
            // The cluster's DNS server exists even if the topology does not mention it.
            let is_dns = service.to_string() == DNS_SERVICE && port.get() == DNS_PORT;
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
}

/// The servers of an endpoint that Cilium runs itself: the gateway's listener, and the health endpoint.
/// <https://docs.cilium.io/en/stable/network/servicemesh/ingress/>
fn served_by_cilium(endpoint: CiliumEndpoint) -> &'static [Served] {
    static SERVED: LazyLock<[Served; 2]> = LazyLock::new(|| {
        [80, 4240].map(|port| Served {
            protocol: ServedProtocol::Http,
            port: Port::new(port).unwrap_or(Port::MIN),
            name: None,
        })
    });
    match endpoint {
        CiliumEndpoint::Ingress => &SERVED[..1],
        CiliumEndpoint::Health => &SERVED[1..],
    }
}
