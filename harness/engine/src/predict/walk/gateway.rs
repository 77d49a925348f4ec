//! The way behind the gateway: its proxy makes a connection of its own, to which policies apply.
//!
//! <https://docs.cilium.io/en/stable/network/servicemesh/ingress-and-network-policy/>

use verdikt_scenario::topology::{CiliumEndpoint, Endpoint, Port, Protocol};

use super::service::ServiceRoute;
use super::{AttemptWalk, ProxyQuestion};
use crate::model::PolicyModel;

impl AttemptWalk<'_> {
    /// Continues from the gateway to the service of a request's route, with the gateway as the source.
    pub(super) fn through_gateway(&mut self, question: ProxyQuestion<'_>) {
        let ProxyQuestion::Http(request, authority) = question else { return };
        if self.has_ended() {
            return;
        }
        let model = self.model;
        let gateway = model.subjects.get_key_value(&Endpoint::Cilium(CiliumEndpoint::Ingress));
        let route = model.topology.route(authority, &request.path);
        let Some((route, (gateway, _))) = route.zip(gateway) else { return };
        let mut hop = AttemptWalk::new(model, gateway);
        hop.through_service(
            &route.service,
            ServiceRoute::default(),
            Some((Protocol::Tcp, route.port)),
            question,
        );
        self.trace.checks.append(&mut hop.trace.checks);
        self.trace.audited = self.trace.audited.or(hop.trace.audited);
        self.trace.end = hop.trace.end;
    }
}

impl PolicyModel<'_> {
    /// Whether an endpoint is a gateway with routes.
    pub fn is_gateway(&self, endpoint: &Endpoint) -> bool {
        *endpoint == Endpoint::Cilium(CiliumEndpoint::Ingress) && !self.topology.routes.is_empty()
    }

    /// The endpoints behind the gateway's route of a request, each with its port; none if no route matches.
    pub fn behind_route(&self, authority: Option<&str>, path: &str) -> Vec<(Endpoint, Port)> {
        let route = self.topology.route(authority, path);
        let behind = route.and_then(|route| self.behind(&route.service, Protocol::Tcp, route.port));
        behind.unwrap_or_default()
    }
}
