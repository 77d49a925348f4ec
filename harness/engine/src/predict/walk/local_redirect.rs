//! The way to the pods that a local redirect policy leads to, in the place of a service or a host outside.

use verdikt_scenario::attempt::Target;
use verdikt_scenario::prediction::{EnforcementPoint, Finding};
use verdikt_scenario::topology::LOCAL_NODE;

use super::{AttemptWalk, ProtocolPort, ProxyQuestion, question_text};
use crate::decide::Traffic;

impl AttemptWalk<'_> {
    /// Goes where a local redirect policy leads; false if none leads the source away. Addresses are translated before policies
    /// are asked: these see the pod that answers, at its own port.
    /// <https://docs.cilium.io/en/stable/network/kubernetes/local-redirect-policy/>
    pub(super) fn through_redirect(
        &mut self,
        target: &Target,
        port: ProtocolPort,
        question: ProxyQuestion<'_>,
    ) -> bool {
        let topology = &self.model.topology;
        let Some((protocol, port)) = port else { return false };
        let Some(backends) = topology.redirected(self.source, target, protocol, port) else {
            let is_of_the_node = topology.node_of(self.source).is_some_and(|it| it.as_str() == LOCAL_NODE);
            let is_open = is_of_the_node && topology.is_redirected(target, protocol, port);
            if is_open {
                let gap = "whether a local redirect policy leads what is sent in the node's own network";
                self.abstain(question_text(Some((protocol, port)), target), gap.to_owned());
            }
            return is_open;
        };
        let is_kept = self.is_kept;
        self.each_backend(&backends, |branch, (backend, own)| {
            branch.is_kept = is_kept;
            branch.is_redirected = true;
            if backend == branch.source {
                let text = format!("to itself, {protocol} port {own}, where a local redirect policy leads");
                let finding = Finding::Itself { through: None };
                return branch.note(EnforcementPoint::Egress, branch.source.clone(), text, finding);
            }
            branch.cross(backend, &[], Traffic::Port(protocol, own.get()), question);
        });
        true
    }
}
