//! The way through a port of the node to the pod that it is forwarded to.

use verdikt_scenario::prediction::{Decision, EnforcementPoint};
use verdikt_scenario::topology::Endpoint;

use super::{AttemptWalk, ProtocolPort, ProxyQuestion};
use crate::decide::Traffic;

impl AttemptWalk<'_> {
    /// Goes to the pod that a port of a node is forwarded to; false if there is none. Addresses are translated before
    /// policies apply, including those of the node's own firewall.
    pub(super) fn through_host_port(
        &mut self,
        node: &Endpoint,
        port: ProtocolPort,
        question: ProxyQuestion<'_>,
    ) -> bool {
        let led = port.and_then(|(protocol, port)| {
            let (pod, own) = self.model.topology.behind_host_port(node, protocol, port)?;
            Some((pod, protocol, port, own))
        });
        let Some((pod, protocol, port, own)) = led else { return false };
        if pod == *self.source {
            let question = format!("to itself through {protocol} port {port} of {node}");
            let decision = Decision::Itself { through: None };
            self.note(EnforcementPoint::Egress, pod, question, decision);
        } else {
            self.cross(&pod, &[], Traffic::Port(protocol, own.get()), question);
        }
        true
    }
}
