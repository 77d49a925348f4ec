//! Local redirect policies: pods that answer the clients of their own node in the place of a service or a host outside.
//!
//! <https://docs.cilium.io/en/stable/network/kubernetes/local-redirect-policy/>

use std::net::IpAddr;

use super::{Endpoint, LOCAL_NODE, Labels, Pod, Port, ServicePort, TargetPort, Topology, has_labels};
use crate::name::NamespacedName;

/// A `CiliumLocalRedirectPolicy`. The pods that answer are of its own namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRedirect {
    /// Whose clients it leads elsewhere.
    pub frontend: RedirectFrontend,
    /// The labels of the pods that answer.
    pub selects: Labels,
    /// Each port of the frontend, with that of the pods.
    pub ports: Vec<ServicePort>,
    /// Whether the pods that answer reach the frontend themselves (`skipRedirectFromBackend`).
    pub spares_backends: bool,
}

/// What clients ask, and are led away from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectFrontend {
    /// A service, by its address in the cluster.
    Service(NamespacedName),
    /// An address outside the cluster.
    Address(IpAddr),
}

impl Topology {
    /// Whether a source is led to those that answer: a pod of the node with a network of its own, unless it answers itself and is
    /// spared. The cluster's DNS server asks as a pod too, also where the topology does not speak of it.
    pub fn is_led(&self, source: &Endpoint, redirect: &LocalRedirect, backends: &[(Endpoint, Port)]) -> bool {
        let Endpoint::Pod(name) = source else { return false };
        let is_elsewhere = |pod: &Pod| pod.host_network.is_some() || pod.cluster.is_some();
        let is_spared = redirect.spares_backends && backends.iter().any(|(pod, _)| pod == source);
        !(backends.is_empty() || is_spared || self.pods.get(name).is_some_and(is_elsewhere))
    }

    /// The pods of the node that answer at a port, each with its own.
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
