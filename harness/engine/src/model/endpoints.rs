//! The endpoints of a topology with their identities, including those that every cluster has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use verdikt_scenario::name::{HostName, NamespacedName};
use verdikt_scenario::topology::{
    CiliumEndpoint, DNS_LABELS, DNS_POD, Endpoint, LOCAL_NODE, Node, Pod, Port, Protocol, Served,
    ServedProtocol, Topology,
};

use super::PolicyModel;
use crate::identity::{Identity, NamedPort};
use crate::label::Label;

impl PolicyModel<'_> {
    /// Every endpoint with its identity.
    pub(super) fn endpoints(&self) -> Vec<(Endpoint, Identity)> {
        let topology = &*self.topology;
        let api_servers = topology.api_servers();
        let mut endpoints = Vec::new();
        for (name, pod) in &topology.pods {
            let identity = match &pod.host_network {
                Some(node) => self.node_identity(node, &api_servers),
                None => self.pod_identity(name, pod),
            };
            endpoints.push((Endpoint::Pod(name.clone()), identity));
        }
        if let Some((name, pod)) = implicit_dns(topology) {
            let identity = self.pod_identity(&name, &pod);
            endpoints.push((Endpoint::Pod(name), identity));
        }
        for (name, host) in &topology.world {
            let names = self.learned.names.get(name).into_iter().flatten();
            let names = names.map(|name| name.as_str().to_owned()).collect();
            endpoints.push((Endpoint::World(name.clone()), self.world_identity(host.address, names)));
        }
        for name in topology.nodes.keys().cloned().chain(topology.implied_nodes()) {
            let identity = self.node_identity(&name, &api_servers);
            endpoints.push((Endpoint::Node(name), identity));
        }
        for endpoint in [CiliumEndpoint::Ingress, CiliumEndpoint::Health] {
            endpoints.push((Endpoint::Cilium(endpoint), Identity::cilium(endpoint)));
        }
        endpoints
    }

    /// A node as its own agent sees it, whose policies are for it.
    pub(super) fn host_identity(&self, node: &HostName) -> Identity {
        let known = self.topology.nodes.get(node);
        let labels = known.into_iter().flat_map(|node| &node.labels);
        let labels = labels.map(|(key, value)| Label::kubernetes(key.as_str(), value.as_str()));
        let own = known.cloned().unwrap_or_default();
        Identity::node(LOCAL_NODE, &own).carrying(labels)
    }

    /// The identity of a node, and of the pods in its network; its address matters only if ranges match nodes.
    fn node_identity(&self, name: &HostName, api_servers: &BTreeSet<Endpoint>) -> Identity {
        let (unsaid, is_api_server) = (Node::default(), api_servers.contains(&Endpoint::Node(name.clone())));
        let node = self.topology.nodes.get(name).unwrap_or(&unsaid);
        let name = name.as_str();
        let address = node.address.filter(|_| self.topology.settings.cidr_matches_nodes);
        let groups = address.map(|address| self.groups.labels_of(address, &self.behaviour));
        let labels = self.topology.settings.node_selector_labels.then(|| Identity::node_labels(name, node));
        let api_server = is_api_server.then(|| Label::reserved("kube-apiserver"));
        let more = groups.into_iter().flatten().chain(labels.into_iter().flatten()).chain(api_server);
        let identity = Identity::node(name, node).carrying(more);
        Identity { address, ..identity }
    }

    fn pod_identity(&self, name: &NamespacedName, pod: &Pod) -> Identity {
        let none = BTreeMap::new();
        let labels = self.topology.namespaces.get(&name.namespace).unwrap_or(&none);
        Identity::pod(&name.namespace, labels, pod, &self.behaviour, &self.topology.settings.labels)
    }
}

/// The addresses of API servers outside the cluster. Cilium gives them that label besides the world's.
/// <https://docs.cilium.io/en/stable/security/policy/language/#entities-based>
pub(super) fn external_api_servers(topology: &Topology) -> BTreeSet<IpAddr> {
    let address = |endpoint: &Endpoint| match endpoint {
        Endpoint::World(host) => Some(topology.world.get(host)?.address),
        _ => None,
    };
    topology.api_servers().iter().filter_map(address).collect()
}

/// Gives every identity of several pods the port names of all of them.
pub(super) fn share_port_names(endpoints: &mut [(Endpoint, Identity)]) {
    let mut sharing: BTreeMap<Vec<Label>, Vec<usize>> = BTreeMap::new();
    for (index, (endpoint, identity)) in endpoints.iter().enumerate() {
        if matches!(endpoint, Endpoint::Pod(_)) {
            sharing.entry(identity.labels.clone()).or_default().push(index);
        }
    }
    for pods in sharing.values().filter(|pods| pods.len() > 1) {
        let mut names: BTreeMap<(&str, Protocol), BTreeSet<u16>> = BTreeMap::new();
        for named in pods.iter().flat_map(|pod| &endpoints[*pod].1.port_names) {
            names.entry((&named.name, named.protocol)).or_default().insert(named.port);
        }
        let agreed = names.into_iter().filter(|(_, ports)| ports.len() == 1);
        let agreed = agreed.flat_map(|((name, protocol), ports)| {
            ports.into_iter().map(move |port| NamedPort { name: name.to_owned(), protocol, port })
        });
        let agreed: Vec<NamedPort> = agreed.collect();
        for pod in pods {
            endpoints[*pod].1.shared_port_names = Some(agreed.clone());
        }
    }
}

/// The ports the DNS server declares.
/// <https://github.com/kubernetes/kubernetes/blob/master/cluster/addons/dns/coredns/coredns.yaml.base>
const DNS_PORTS: [(ServedProtocol, u16, &str); 3] = [
    (ServedProtocol::Udp, 53, "dns"),
    (ServedProtocol::Tcp, 53, "dns-tcp"),
    (ServedProtocol::Tcp, 9153, "metrics"),
];

/// The cluster's DNS server, unless the topology describes it.
fn implicit_dns(topology: &Topology) -> Option<(NamespacedName, Pod)> {
    let name: NamespacedName = DNS_POD.parse().ok()?;
    if topology.pods.contains_key(&name) {
        return None;
    }
    let labels = DNS_LABELS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let named = |(protocol, port, name): &(ServedProtocol, u16, &str)| {
        Some(Served { protocol: *protocol, port: Port::new(*port)?, name: name.parse().ok() })
    };
    let serves = DNS_PORTS.iter().filter_map(named).collect();
    Some((name, Pod { labels, service_account: Some("coredns".to_owned()), serves, ..Pod::default() }))
}
