//! Identities: the sets of labels by which Cilium knows an endpoint.
//!
//! <https://docs.cilium.io/en/stable/gettingstarted/terminology/#identity>

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use compact_str::format_compact;
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::settings::LabelRule;
use verdikt_scenario::topology::{CiliumEndpoint, LOCAL_NODE, Labels, NAMESPACE_NAME_LABEL, Node, Pod};

use crate::behaviour::Behaviour;
use crate::label::{
    CLUSTER, CLUSTER_NAME, Label, LabelSource, NAMESPACE, NAMESPACE_LABELS, SERVICE_ACCOUNT, enters_identity,
};

/// What Cilium knows of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Its labels, by key.
    pub labels: Vec<Label>,
    /// The address of an endpoint outside the cluster; CIDR rules match only this.
    pub address: Option<IpAddr>,
    /// The names the DNS proxy has learned for that address.
    pub names: Vec<String>,
    /// The named TCP, UDP and SCTP ports a pod declares.
    pub port_names: Vec<NamedPort>,
    /// The ports that all pods with these labels declare by name, without names that have two numbers; none if port
    /// names are part of identities, or no other pod has the same labels.
    pub shared_port_names: Option<Vec<NamedPort>>,
}

/// A port a pod declares by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedPort {
    /// The name, lower-case.
    pub name: String,
    /// The protocol it is declared for.
    pub protocol: verdikt_scenario::topology::Protocol,
    /// The number of the port.
    pub port: u16,
}

/// Prefixes of Cilium's own keys: a pod cannot have such labels of its own.
const OWNED_BY_CILIUM: [&str; 2] = ["io.cilium.k8s.", NAMESPACE];

impl Identity {
    /// The identity of a pod.
    pub fn pod(
        namespace: &NamespaceName,
        namespace_labels: &Labels,
        pod: &Pod,
        behaviour: &Behaviour,
        rules: &[LabelRule],
    ) -> Self {
        let own = pod
            .labels
            .iter()
            .filter(|(key, _)| !OWNED_BY_CILIUM.iter().any(|prefix| key.starts_with(prefix)))
            .filter(|(key, _)| enters_identity(key, behaviour.topology_labels_in_identity, rules))
            .map(|(key, value)| Label::kubernetes(key.as_str(), value.as_str()));
        // The filter sees the whole key, and some of its rules match after the prefix.
        let inherited = namespace_labels
            .iter()
            .map(|(key, value)| Label::kubernetes(format_compact!("{NAMESPACE_LABELS}{key}"), value.as_str()))
            .filter(|label| enters_identity(&label.key, behaviour.topology_labels_in_identity, rules));
        // Kubernetes gives every namespace a label with its name.
        let own_name = (!namespace_labels.contains_key(NAMESPACE_NAME_LABEL)).then(|| {
            Label::kubernetes(format_compact!("{NAMESPACE_LABELS}{NAMESPACE_NAME_LABEL}"), namespace.as_str())
        });
        let account = pod.service_account.as_deref().unwrap_or("default");
        let added = [
            Label::kubernetes(NAMESPACE, namespace.as_str()),
            Label::kubernetes(CLUSTER, pod.cluster.as_deref().unwrap_or(CLUSTER_NAME)),
            Label::kubernetes(SERVICE_ACCOUNT, account),
        ];
        let mut labels: Vec<Label> = own.chain(inherited).chain(own_name).chain(added).collect();
        labels.sort();
        Self { labels, port_names: port_names(pod), ..Self::default() }
    }

    /// The identity of a node: the one that runs the pods, or another.
    pub fn node(name: &str, node: &Node) -> Self {
        let role = if name == LOCAL_NODE { "host" } else { "remote-node" };
        let api_server = node.api_server.then(|| Label::reserved("kube-apiserver"));
        let mut labels: Vec<Label> = api_server.into_iter().chain([Label::reserved(role)]).collect();
        labels.sort();
        Self { labels, ..Self::default() }
    }

    /// The labels of a node, if Cilium knows them: its own, the one that Kubernetes gives every node, and its
    /// cluster. Pods have the last one as well, so a selector of pods that requires only the cluster matches nodes.
    /// <https://github.com/cilium/cilium/blob/main/pkg/node/manager/manager.go>
    pub(crate) fn node_labels<'a>(name: &'a str, node: &'a Node) -> impl Iterator<Item = Label> + 'a {
        let own = node.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let given = [("kubernetes.io/hostname", name), (CLUSTER, CLUSTER_NAME)];
        let given = given.into_iter().filter(|(key, _)| !node.labels.contains_key(*key));
        let labels = own.chain(given);
        let labels = labels.map(|(key, value)| Label {
            key: key.into(),
            source: LabelSource::Node,
            value: value.into(),
        });
        labels.chain([Label::kubernetes(CLUSTER, CLUSTER_NAME)])
    }

    /// The identity of an endpoint Cilium runs itself.
    pub fn cilium(endpoint: CiliumEndpoint) -> Self {
        let key = match endpoint {
            CiliumEndpoint::Ingress => "ingress",
            CiliumEndpoint::Health => "health",
        };
        Self { labels: vec![Label::reserved(key)], ..Self::default() }
    }

    /// The identity of an address outside a cluster with one address family.
    pub fn world(address: IpAddr, names: Vec<String>) -> Self {
        Self { labels: vec![Label::reserved("world")], address: Some(address), names, ..Self::default() }
    }

    /// The identity of an address outside a cluster with both address families, each of which has its own world.
    pub fn world_of_family(address: IpAddr, names: Vec<String>) -> Self {
        let key = if address.is_ipv4() { "world-ipv4" } else { "world-ipv6" };
        Self { labels: vec![Label::reserved(key)], ..Self::world(address, names) }
    }

    /// The same identity with more labels.
    #[must_use]
    pub(crate) fn carrying(mut self, labels: impl IntoIterator<Item = Label>) -> Self {
        self.labels.extend(labels);
        self.labels.sort();
        self.labels.dedup();
        self
    }

    /// Whether it has a label of Cilium's own.
    pub fn is_reserved(&self, key: &str) -> bool {
        self.labels.iter().any(|label| label.source == LabelSource::Reserved && label.key == key)
    }

    /// Whether it has a label with this key, of any source: two of Cilium's look-ups ignore the source.
    pub fn has_key(&self, key: &str) -> bool {
        self.labels.iter().any(|label| label.key == key)
    }

    /// The same, as the agent of an endpoint sees it: from another node, the node of the pods is a remote node.
    pub(crate) fn seen_by(&self, subject: &Self) -> Cow<'_, Self> {
        if !self.is_local_host() || !subject.is_reserved("remote-node") {
            return Cow::Borrowed(self);
        }
        let mut remote = self.clone();
        remote.labels.retain(|label| label.source != LabelSource::Reserved || label.key != "host");
        Cow::Owned(remote.carrying([Label::reserved("remote-node")]))
    }

    /// Whether it is the node that runs the pods.
    pub fn is_local_host(&self) -> bool {
        self.is_reserved("host")
    }

    /// The value of a Kubernetes label.
    pub fn value(&self, key: &str) -> Option<&str> {
        let label =
            self.labels.iter().find(|label| label.source == LabelSource::Kubernetes && label.key == key)?;
        Some(&label.value)
    }
}

fn port_names(pod: &Pod) -> Vec<NamedPort> {
    use verdikt_scenario::topology::Protocol;
    let mut names = BTreeMap::new();
    for served in &pod.serves {
        let Some(name) = &served.name else { continue };
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
            if served.protocol.answers(protocol) {
                names.insert((name.as_str().to_owned(), protocol), served.port.get());
            }
        }
    }
    names.into_iter().map(|((name, protocol), port)| NamedPort { name, protocol, port }).collect()
}
