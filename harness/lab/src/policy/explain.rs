//! Explains why the policy in force stops the traffic of a flow.

use verdikt_engine::datapath::{ClientHello, RequestHead};
use verdikt_engine::decide::Traffic;
use verdikt_engine::rule::Direction;
use verdikt_scenario::attempt::Scheme;
use verdikt_scenario::flow::{Flow, FlowDirection, FlowKind, FlowProtocol, FlowVerdict, ProxyRequest};
use verdikt_scenario::prediction::Decision;

use super::PolicyVersion;

impl PolicyVersion {
    /// What stops the traffic of a flow, with the rules; none if it passed, or something other than policy stopped
    /// it.
    pub fn why_stopped(&self, flow: &Flow) -> Option<Decision> {
        let is_stopped =
            matches!(flow.verdict, FlowVerdict::Dropped | FlowVerdict::Audit | FlowVerdict::Error);
        if !is_stopped || flow.kind == FlowKind::Drop {
            return None;
        }
        let (subject, direction, peer) = match flow.direction {
            FlowDirection::Egress => (&flow.source, Direction::Egress, &flow.destination),
            FlowDirection::Ingress => (&flow.destination, Direction::Ingress, &flow.source),
        };
        let (subject, peer) = (subject.endpoint.as_ref()?, peer.address);
        let traffic = match flow.protocol {
            FlowProtocol::Port(protocol) => Traffic::Port(protocol, flow.destination.port?),
            FlowProtocol::Icmp { v6, kind } => Traffic::Icmp { v6, kind },
            FlowProtocol::Other(_) => return None,
        };
        let decision = match &flow.request {
            None => self.model.explain_packet(subject, direction, &self.identity(peer), traffic),
            Some(ProxyRequest::Dns { name, .. }) => self.query(subject, direction, peer, traffic, name),
            Some(ProxyRequest::Http { method, path, host, .. }) => {
                let request = RequestHead { method, path, authority: Some(host), headers: &[] };
                let is_in_tls = self.tls_interception(subject, direction, peer, traffic).is_some();
                let scheme = if is_in_tls { Scheme::Https } else { Scheme::Http };
                self.request(subject, direction, peer, traffic, &request, scheme)
            }
            // A proxy that terminates TLS reports nothing else about TLS.
            Some(ProxyRequest::Tls { .. })
                if self.tls_interception(subject, direction, peer, traffic).is_some() =>
            {
                let reason = "the proxy does not trust the certificate of the server".into();
                Decision::NotTrusted { reason, by: Vec::new().into() }
            }
            Some(ProxyRequest::Tls { server_name }) => {
                self.hello(subject, direction, peer, traffic, ClientHello::Tls(server_name.as_deref()))
            }
        };
        // Another policy may have come into force in the meantime.
        let stops = matches!(
            decision,
            Decision::Denied { .. }
                | Decision::NoRuleAllows { .. }
                | Decision::NotTrusted { .. }
                | Decision::Unknown { .. }
        );
        stops.then_some(decision)
    }
}
