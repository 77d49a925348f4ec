//! Ports of the node that lead to pods.

use super::{Endpoint, LOCAL_NODE, Port, Protocol, ServicePort, TargetPort, Topology};

impl Topology {
    /// The pod that a port of a node leads to, and the port of its own. To policies the pod is the destination then, and
    /// whoever comes is what they are: Cilium translates the address before any policy is asked, and the pod is on
    /// that node.
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
