//! Flows that a policy stops, as text: the enforcement point, the question, and the rules.

use std::sync::Arc;

use verdikt_scenario::flow::{Flow, FlowDirection, FlowEnd, FlowVerdict, ProxyRequest};
use verdikt_scenario::prediction::{Answer, Check, Decision, EnforcementPoint, RuleRef};
use verdikt_scenario::topology::Endpoint;

use crate::checks;
use crate::evidence;
use crate::explain::ExplainStyle;
use crate::paint::Paint;
use crate::text::plain;
use crate::words;

/// What a flow is about, without what differs from one try to the next: its time, and the port of the client.
pub fn traffic(flow: &Flow) -> String {
    let Flow { protocol, direction, verdict, source, destination, request, .. } = flow;
    let port = destination.port.map_or_else(String::new, |port| format!(":{port}"));
    let request = request.as_ref().map(question_of_request).unwrap_or_default();
    format!("{} -> {}{port} {protocol} {direction} {verdict} {request}", name(source), name(destination))
}

/// A stopped flow in lines: the question, and the decision.
pub fn stopped(flow: &Flow, by: Option<&Decision>, style: ExplainStyle) -> String {
    let Some((check, answer)) = by.and_then(|decision| check(flow, decision)) else {
        return format!("{}\n", evidence::flow(flow));
    };
    let mut lines = checks::alone(&check, answer, Paint { colour: style.colour }, style.width);
    lines.push(String::new());
    lines.join("\n")
}

/// A flow in one line, with the rules that stop it and their places.
pub fn line(flow: &Flow, by: Option<&Decision>) -> String {
    let named = |rules: &[Arc<RuleRef>]| {
        let rules =
            rules.iter().map(|rule| format!("{} {}", plain(&rule.object.short()), words::place(&rule.place)));
        rules.collect::<Vec<_>>().join(", ")
    };
    let by = match by {
        Some(Decision::Denied { by }) if !by.is_empty() => format!(", denied by {}", named(by)),
        Some(Decision::NoRuleAllows { isolated_by, .. }) if !isolated_by.is_empty() => {
            format!(", isolated by {}", named(isolated_by))
        }
        _ => String::new(),
    };
    format!("{}{by}", evidence::flow(flow))
}

/// The check that stops a flow, as that of an attempt.
fn check(flow: &Flow, decision: &Decision) -> Option<(Check, Answer)> {
    let (own, peer) = match flow.direction {
        FlowDirection::Egress => (&flow.source, &flow.destination),
        FlowDirection::Ingress => (&flow.destination, &flow.source),
    };
    let point = match (&flow.request, flow.direction) {
        (Some(ProxyRequest::Dns { .. }), _) => EnforcementPoint::Dns,
        (Some(ProxyRequest::Http { .. }), _) => EnforcementPoint::Http,
        (Some(ProxyRequest::Tls { .. }), _) => EnforcementPoint::Tls,
        (None, FlowDirection::Egress) => EnforcementPoint::Egress,
        (None, FlowDirection::Ingress) => EnforcementPoint::Ingress,
    };
    let port = flow.destination.port.map_or_else(String::new, |port| format!(" port {port}"));
    let question = match (&flow.request, flow.direction) {
        (Some(request), _) => question_of_request(request),
        (None, FlowDirection::Egress) => {
            let port = flow.destination.port.map_or_else(String::new, |port| format!(":{port}"));
            format!("to {} {}{port}", flow.protocol, name(peer))
        }
        (None, FlowDirection::Ingress) => format!("from {}, {}{port}", name(peer), flow.protocol),
    };
    let endpoint: Endpoint = own.endpoint.clone()?;
    let answer = match flow.verdict {
        FlowVerdict::Audit => Answer::Audit(point),
        FlowVerdict::Error => Answer::Abstain,
        FlowVerdict::Forwarded | FlowVerdict::Redirected | FlowVerdict::Dropped => Answer::Deny(point),
    };
    Some((Check { point, endpoint, question, decision: decision.clone() }, answer))
}

fn question_of_request(request: &ProxyRequest) -> String {
    match request {
        ProxyRequest::Dns { name, .. } => format!("query {name}"),
        ProxyRequest::Http { method, path, host, .. } => format!("{method} {host}{path}"),
        ProxyRequest::Tls { server_name: Some(name) } => format!("server name {name}"),
        ProxyRequest::Tls { server_name: None } => "no server name".to_owned(),
    }
}

fn name(end: &FlowEnd) -> String {
    end.endpoint.as_ref().map_or_else(|| end.address.to_string(), ToString::to_string)
}
