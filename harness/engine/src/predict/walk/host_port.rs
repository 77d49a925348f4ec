//! The way through a port of the node to the pod that it leads to.

use verdikt_scenario::prediction::{EnforcementPoint, Finding};
use verdikt_scenario::topology::Endpoint;

use super::{AttemptWalk, ProtocolPort, ProxyQuestion};
use crate::decide::Traffic;

impl AttemptWalk<'_> {
    /// Goes to the pod that a port of a node leads to; false if it leads to none. Addresses are translated before policies
    /// are asked, those of the node's own firewall included.
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
            let finding = Finding::Itself { through: None };
            self.note(EnforcementPoint::Egress, pod, question, finding);
        } else {
            self.cross(&pod, &[], Traffic::Port(protocol, own.get()), question);
        }
        true
    }
}
