//! The policy of one side of an attempt, and the proxies that it leads to.

use verdikt_scenario::prediction::{Answer, EnforcementPoint, Finding};
use verdikt_scenario::topology::{CiliumEndpoint, Endpoint, Protocol};

use super::super::server_name;
use super::{AttemptWalk, ProxyQuestion, WalkSide, traffic_text};
use crate::decide::{Decision, SideVerdict, Traffic};
use crate::explain::Query;
use crate::http::RequestHead;
use crate::model::PolicyModel;
use crate::rule::Direction;
use crate::ruling::Hello;

impl AttemptWalk<'_> {
    /// Meets the policy of one side and the proxies that it leads to. Returns whether the DNS proxy judged.
    pub(super) fn enforce(&mut self, side: &WalkSide<'_>, text: String, question: ProxyQuestion<'_>) -> bool {
        let model = self.model;
        let WalkSide { direction, endpoint, subject, peer, traffic } = *side;
        let decision = model.decide(subject, direction, peer, traffic);
        // The proxy of Cilium's Ingress keeps to its own policy itself, in both directions: it answers 403, and audit
        // mode does not reach it.
        let is_gateway = *endpoint == Endpoint::Cilium(CiliumEndpoint::Ingress);
        let in_proxy =
            is_gateway && matches!(traffic, Traffic::Port(Protocol::Tcp, _)) && decision.verdict.denies();
        if in_proxy && self.is_kept {
            let gap = "what the gateway's proxy does with connections that stand".to_owned();
            self.abstain(text, gap);
            return false;
        }
        let point = match direction {
            _ if in_proxy => EnforcementPoint::Http,
            Direction::Egress => EnforcementPoint::Egress,
            Direction::Ingress => EnforcementPoint::Ingress,
        };
        if !decision.passed.is_empty() {
            let by = decision.passed.iter().map(|matched| model.rule_of(matched)).collect();
            self.note(point, endpoint.clone(), text.clone(), Finding::PassedOn { by });
        }
        let finding = model.finding(subject, direction, peer, traffic, &decision);
        self.note(point, endpoint.clone(), text, finding);
        match decision.verdict {
            verdict if verdict.denies() && model.audits(endpoint) && point != EnforcementPoint::Http => {
                self.trace.audited.get_or_insert(point);
            }
            verdict if verdict.denies() => self.trace.end = Some(Answer::Deny(point)),
            SideVerdict::Unknown | SideVerdict::Conflict => self.trace.end = Some(Answer::Abstain),
            _ => {}
        }
        !self.has_ended() && self.ask_proxies(side, question, &decision)
    }

    /// Asks the proxies that a decision leads to. Returns whether the DNS proxy judged.
    fn ask_proxies(
        &mut self,
        side: &WalkSide<'_>,
        question: ProxyQuestion<'_>,
        decision: &Decision<'_>,
    ) -> bool {
        let WalkSide { endpoint, subject, peer, traffic, .. } = *side;
        if decision.verdict != (SideVerdict::Allow { redirected: true }) {
            return false;
        }
        self.trace.is_proxied = true;
        if self.is_kept {
            let gap = "what becomes of a connection that a proxy is to take over".to_owned();
            self.abstain(traffic_text(traffic), gap);
            return false;
        }
        if !self.passes_certificate(side, question, decision) {
            return false;
        }
        let model = self.model;
        let (point, text, finding) = match question {
            ProxyQuestion::Http(..) if PolicyModel::reads_server_names(decision) => {
                let finding = model.hello_finding(decision, Hello::Plain);
                (EnforcementPoint::Tls, "what the client sends".to_owned(), finding)
            }
            ProxyQuestion::Https(_, authority) if PolicyModel::interception(decision).is_none() => {
                let name = server_name(authority);
                let text = match name {
                    Some(name) => format!("TLS with the server name {name}"),
                    None => "TLS without a server name".to_owned(),
                };
                (EnforcementPoint::Tls, text, model.hello_finding(decision, Hello::Tls(name)))
            }
            ProxyQuestion::Http(request, authority) | ProxyQuestion::Https(request, authority) => {
                let head = RequestHead {
                    method: &request.method,
                    path: &request.path,
                    authority,
                    headers: &request.headers,
                };
                let text = format!("{} {}", request.method, request.path);
                (EnforcementPoint::Http, text, model.http_finding(decision, &head, request.scheme))
            }
            ProxyQuestion::Dns(name) => {
                let query = Query { subject, server: peer, traffic, name: name.as_str() };
                let Some(finding) = model.dns_finding(decision, &query) else { return false };
                (EnforcementPoint::Dns, format!("query {name}"), finding)
            }
            ProxyQuestion::Reach => match model.reach_finding(decision, traffic) {
                Some(finding) => (EnforcementPoint::Http, traffic_text(traffic), finding),
                None => return false,
            },
        };
        self.trace.end = answer_of_proxy(&finding, point);
        self.note(point, endpoint.clone(), text, finding);
        point == EnforcementPoint::Dns
    }
}

/// How an attempt ends at a proxy that finds this; none if it goes on.
fn answer_of_proxy(finding: &Finding, point: EnforcementPoint) -> Option<Answer> {
    match finding {
        Finding::Unknown { .. } | Finding::Chance { .. } => Some(Answer::Abstain),
        Finding::Redirected { .. } => Some(Answer::Redirect),
        Finding::NoRuleAllows { .. } | Finding::Denied { .. } | Finding::NotTrusted { .. } => {
            Some(Answer::Deny(point))
        }
        Finding::Allowed { .. }
        | Finding::PassedOn { .. }
        | Finding::LocalHost
        | Finding::NotIsolated
        | Finding::Itself { .. }
        | Finding::OutsideCluster => None,
    }
}
