//! Ports of a node that are forwarded to pods.

use super::{Endpoint, LOCAL_NODE, Port, Protocol, ServicePort, TargetPort, Topology};

impl Topology {
    /// The pod to which a port of a node is forwarded, with its own port. For policies the pod is then the
    /// destination, and the client keeps its identity: Cilium translates the address before it applies any policy,
    /// and the pod is on that node.
    /// <https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/#container-hostport-support>
    pub fn behind_host_port(
        &self,
        node: &Endpoint,
        protocol: Protocol,
        port: Port,
    ) -> Option<(Endpoint, Port)> {
        let Endpoint::Node(name) = node else { return None };
        if name.as_str() != LOCAL_NODE {
            return None;
        }
        let is_it = |led: &&ServicePort| (led.protocol, led.port) == (protocol, port);
        self.pods.iter().find_map(|(name, pod)| {
            let target = &pod.host_ports.iter().find(is_it)?.target;
            let own = match target {
                TargetPort::Number(number) => Some(*number),
                TargetPort::Name(wanted) => {
                    let mut served = pod.serves.iter();
                    served.find(|served| served.name.as_ref() == Some(wanted)).map(|served| served.port)
                }
            };
            Some((Endpoint::Pod(name.clone()), own?))
        })
    }
}
