//! The way to the pods of a local redirect policy, instead of a service or a host outside.

use verdikt_scenario::attempt::Target;
use verdikt_scenario::prediction::{Decision, EnforcementPoint};

use super::{AttemptWalk, ProtocolPort, ProxyQuestion};
use crate::decide::Traffic;

impl AttemptWalk<'_> {
    /// Goes to the pods of a local redirect policy; false if none applies to the source. Addresses are translated
    /// before policies apply: these see the pod that answers, at its own port.
    /// <https://docs.cilium.io/en/stable/network/kubernetes/local-redirect-policy/>
    pub(super) fn through_redirect(
        &mut self,
        target: &Target,
        port: ProtocolPort,
        question: ProxyQuestion<'_>,
    ) -> bool {
        let topology = &self.model.topology;
        let Some((protocol, port)) = port else { return false };
        let Some(backends) = topology.redirected(self.source, target, protocol, port) else { return false };
        let is_kept = self.is_kept;
        self.each_backend(&backends, |branch, (backend, own)| {
            branch.is_kept = is_kept;
            branch.is_redirected = true;
            if backend == branch.source {
                let text = format!("to itself, {protocol} port {own}, redirected by a local redirect policy");
                let decision = Decision::Itself { through: None };
                return branch.note(EnforcementPoint::Egress, branch.source.clone(), text, decision);
            }
            branch.cross(backend, &[], Traffic::Port(protocol, own.get()), question);
        });
        true
    }
}
