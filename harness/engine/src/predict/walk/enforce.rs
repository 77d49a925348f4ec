//! Applies the policy of one side of an attempt, and its proxies.

use verdikt_scenario::prediction::{Answer, Decision, EnforcementPoint};
use verdikt_scenario::topology::{CiliumEndpoint, Endpoint, Protocol};

use super::super::server_name;
use super::{AttemptWalk, ProxyQuestion, WalkSide, traffic_text};
use crate::datapath::ClientHello;
use crate::decide::{DecisionKind, Matches, Traffic};
use crate::explain::Query;
use crate::http::RequestHead;
use crate::model::PolicyModel;
use crate::rule::Direction;

impl AttemptWalk<'_> {
    /// Applies the policy of one side and its proxies. Returns whether the DNS proxy decided.
    pub(super) fn enforce(&mut self, side: &WalkSide<'_>, text: String, question: ProxyQuestion<'_>) -> bool {
        let model = self.model;
        let WalkSide { direction, endpoint, subject, peer, traffic } = *side;
        let matches = model.decide(subject, direction, peer, traffic);
        // The proxy of Cilium's Ingress enforces its own policy in both directions: it answers 403, even in audit
        // mode.
        let is_gateway = *endpoint == Endpoint::Cilium(CiliumEndpoint::Ingress);
        let in_proxy =
            is_gateway && matches!(traffic, Traffic::Port(Protocol::Tcp, _)) && matches.kind.denies();
        if in_proxy && self.is_kept {
            let gap = "what the gateway's proxy does with open connections".to_owned();
            self.abstain(text, gap);
            return false;
        }
        let point = match direction {
            _ if in_proxy => EnforcementPoint::Http,
            Direction::Egress => EnforcementPoint::Egress,
            Direction::Ingress => EnforcementPoint::Ingress,
        };
        if !matches.passed.is_empty() {
            let by = matches.passed.iter().map(|matched| model.rule_of(matched)).collect();
            self.note(point, endpoint.clone(), text.clone(), Decision::PassedOn { by });
        }
        let decision = model.decision(subject, direction, peer, traffic, &matches);
        self.note(point, endpoint.clone(), text, decision);
        match matches.kind {
            kind if kind.denies() && model.audits(endpoint) && point != EnforcementPoint::Http => {
                self.trace.audited.get_or_insert(point);
            }
            kind if kind.denies() => self.trace.end = Some(Answer::Deny(point)),
            DecisionKind::Unknown | DecisionKind::Conflict => self.trace.end = Some(Answer::Abstain),
            _ => {}
        }
        !self.has_ended() && self.ask_proxies(side, question, &matches)
    }

    /// Applies the proxies that a decision leads to. Returns whether the DNS proxy decided.
    fn ask_proxies(
        &mut self,
        side: &WalkSide<'_>,
        question: ProxyQuestion<'_>,
        matches: &Matches<'_>,
    ) -> bool {
        let WalkSide { endpoint, subject, peer, traffic, .. } = *side;
        if matches.kind != (DecisionKind::Allow { redirected: true }) {
            return false;
        }
        self.trace.is_proxied = true;
        if self.is_kept {
            let gap = "what happens to a connection that a proxy has to take over".to_owned();
            self.abstain(traffic_text(traffic), gap);
            return false;
        }
        if !self.passes_certificate(side, question, matches) {
            return false;
        }
        let model = self.model;
        let (point, text, decision) = match question {
            ProxyQuestion::Http(..) if PolicyModel::reads_server_names(matches) => {
                let decision = model.hello_decision(matches, ClientHello::Plain);
                (EnforcementPoint::Tls, "what the client sends".to_owned(), decision)
            }
            ProxyQuestion::Https(_, authority) if PolicyModel::interception(matches).is_none() => {
                let name = server_name(authority);
                let text = match name {
                    Some(name) => format!("TLS with the server name {name}"),
                    None => "TLS without a server name".to_owned(),
                };
                (EnforcementPoint::Tls, text, model.hello_decision(matches, ClientHello::Tls(name)))
            }
            ProxyQuestion::Http(request, authority) | ProxyQuestion::Https(request, authority) => {
                let head = RequestHead {
                    method: &request.method,
                    path: &request.path,
                    authority,
                    headers: &request.headers,
                };
                let text = format!("{} {}", request.method, request.path);
                (EnforcementPoint::Http, text, model.http_decision(matches, &head, request.scheme))
            }
            ProxyQuestion::Dns(name) => {
                let query = Query { subject, server: peer, traffic, name: name.as_str() };
                let Some(decision) = model.dns_decision(matches, &query) else { return false };
                (EnforcementPoint::Dns, format!("query {name}"), decision)
            }
            ProxyQuestion::Reach => match model.reach_decision(matches, traffic) {
                Some(decision) => (EnforcementPoint::Http, traffic_text(traffic), decision),
                None => return false,
            },
        };
        self.trace.end = answer_of_proxy(&decision, point);
        self.note(point, endpoint.clone(), text, decision);
        point == EnforcementPoint::Dns
    }
}

/// How an attempt ends at a proxy with this decision; none if it continues.
fn answer_of_proxy(decision: &Decision, point: EnforcementPoint) -> Option<Answer> {
    match decision {
        Decision::Unknown { .. } | Decision::Chance { .. } => Some(Answer::Abstain),
        Decision::Redirected { .. } => Some(Answer::Redirect),
        Decision::NoRuleAllows { .. } | Decision::Denied { .. } | Decision::NotTrusted { .. } => {
            Some(Answer::Deny(point))
        }
        Decision::Allowed { .. }
        | Decision::PassedOn { .. }
        | Decision::LocalHost
        | Decision::NotIsolated
        | Decision::Itself { .. }
        | Decision::OutsideCluster => None,
    }
}
