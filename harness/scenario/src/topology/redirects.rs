//! Local redirect policies: pods that answer clients on their own node instead of a service or a host outside.
//!
//! <https://docs.cilium.io/en/stable/network/kubernetes/local-redirect-policy/>

use std::net::IpAddr;

use super::{Endpoint, LOCAL_NODE, Labels, Pod, Port, ServicePort, TargetPort, Topology, has_labels};
use crate::name::{HostName, NamespacedName};

/// A `CiliumLocalRedirectPolicy`. The pods that answer are in its own namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRedirect {
    /// The frontend whose clients it redirects.
    pub frontend: RedirectFrontend,
    /// The labels of the pods that answer.
    pub selects: Labels,
    /// Each port of the frontend, with the port of the pods.
    pub ports: Vec<ServicePort>,
    /// Whether the pods that answer reach the frontend themselves (`skipRedirectFromBackend`).
    pub spares_backends: bool,
}

/// The frontend of a local redirect policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectFrontend {
    /// A service, by its address in the cluster.
    Service(NamespacedName),
    /// An address outside the cluster.
    Address(IpAddr),
}

impl Topology {
    /// Whether a source is redirected: a pod of the node, or the node itself, whose sockets are translated like those
    /// of pods. Pods that answer and have a network of their own are excepted with `skipRedirectFromBackend`. The
    /// cluster's DNS server is a client like other pods, even if the topology does not mention it.
    pub fn is_led(&self, source: &Endpoint, redirect: &LocalRedirect, backends: &[(Endpoint, Port)]) -> bool {
        let is_local = |node: &HostName| node.as_str() == LOCAL_NODE;
        let (is_of_the_node, has_own_network) = match source {
            Endpoint::Pod(name) => self.pods.get(name).map_or((true, true), |pod| {
                let node = pod.host_network.as_ref();
                (pod.cluster.is_none() && node.is_none_or(is_local), node.is_none())
            }),
            Endpoint::Node(name) => (is_local(name), false),
            Endpoint::World(_) | Endpoint::Cilium(_) => (false, false),
        };
        let answers = || backends.iter().any(|(pod, _)| pod == source);
        let is_spared = redirect.spares_backends && has_own_network && answers();
        is_of_the_node && !backends.is_empty() && !is_spared
    }

    /// The pods of the node that answer at a port, each with its own port.
    pub fn redirect_backends(
        &self,
        name: &NamespacedName,
        redirect: &LocalRedirect,
        led: &ServicePort,
    ) -> Vec<(Endpoint, Port)> {
        let on_the_node = |pod: &Pod| {
            let node = pod.host_network.as_ref();
            pod.cluster.is_none() && node.is_none_or(|node| node.as_str() == LOCAL_NODE)
        };
        let own_port = |pod: &Pod| match &led.target {
            TargetPort::Number(number) => Some(*number),
            TargetPort::Name(wanted) => {
                let mut served = pod.serves.iter();
                served.find(|served| served.name.as_ref() == Some(wanted)).map(|served| served.port)
            }
        };
        self.pods_of(&name.namespace)
            .filter(|(_, pod)| on_the_node(pod) && has_labels(&pod.labels, &redirect.selects))
            .filter_map(|(name, pod)| Some((Endpoint::Pod(name.clone()), own_port(pod)?)))
            .collect()
    }
}
