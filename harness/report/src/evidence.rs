//! What was seen of an attempt, as text: the client's stages, the server, the flows.

use std::net::SocketAddr;
use std::time::Duration;

use verdikt_scenario::flow::{Flow, FlowEnd, ProxyRequest};
use verdikt_scenario::observation::{Arrival, Stage, StageKind};
use verdikt_verdict::evidence::Evidence;

use crate::text::plain;

/// One line for each thing seen.
pub(crate) fn lines(evidence: &Evidence) -> Vec<String> {
    let mut lines: Vec<String> = evidence.observation.stages.iter().map(stage).collect();
    if lines.is_empty() {
        lines.push(format!("client: {}", plain(&evidence.observation.outcome.to_string())));
    }
    lines.push(match evidence.observation.arrival {
        Arrival::Arrived => "server: it arrived".to_owned(),
        Arrival::NotSeen => "server: it did not arrive".to_owned(),
        Arrival::Unknown => "server: none that could tell".to_owned(),
    });
    lines.extend(evidence.flows.iter().map(|seen| format!("flow: {}", flow(seen))));
    if evidence.flows.is_empty() {
        lines.push("flow: none".to_owned());
    }
    lines.extend(evidence.lost.iter().map(|lost| format!("flow: some may be missing, {}", plain(lost))));
    lines.extend(again(evidence));
    lines
}

/// That the attempt was made again, and why each time; none if it was not.
pub(crate) fn again(evidence: &Evidence) -> Option<String> {
    let each: Vec<String> = evidence.again.iter().map(|before| plain(&before.reason)).collect();
    (!each.is_empty()).then(|| format!("attempted again: {}", each.join("; ")))
}

fn stage(stage: &Stage) -> String {
    let kind = match stage.kind {
        StageKind::LookUp => "look-up",
        StageKind::Connect => "connect",
        StageKind::Request => "request",
    };
    let protocol = stage.protocol.map_or_else(|| "icmp".to_owned(), |protocol| protocol.to_string());
    let socket =
        |socket: Option<SocketAddr>| socket.map_or_else(|| "?".to_owned(), |socket| socket.to_string());
    let learned = match stage.addresses.as_slice() {
        [] => String::new(),
        list => format!(" ({})", list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    let (local, remote) = (socket(stage.local), socket(stage.remote));
    let (outcome, took) = (plain(&stage.outcome.to_string()), milliseconds(stage.took));
    format!("client: {kind} {protocol} {local} -> {remote}: {outcome}{learned}, {took} ms")
}

/// A flow in one line, in the order of `hubble observe`: ends, what judged, verdict.
pub fn flow(flow: &Flow) -> String {
    let reason = flow.drop_reason.as_ref();
    let reason = reason.map_or_else(String::new, |reason| format!(" ({})", plain(&reason.to_string())));
    let request = match &flow.request {
        None => String::new(),
        Some(ProxyRequest::Dns { name, kind, code, .. }) => {
            let code = code.as_ref().map_or_else(String::new, |code| format!(" {code}"));
            format!(" dns {} {}{code}", plain(name), plain(kind))
        }
        Some(ProxyRequest::Http { method, path, host, status }) => {
            let status = status.map_or_else(String::new, |status| format!(" {status}"));
            format!(" http {} {}{}{status}", plain(method), plain(host), plain(path))
        }
        Some(ProxyRequest::Tls { server_name }) => {
            format!(" tls {}", server_name.as_deref().map_or("without a server name".into(), plain))
        }
    };
    let policies = match flow.policies.as_slice() {
        [] => String::new(),
        names => format!(" by {}", plain(&names.join(", "))),
    };
    let (source, destination) = (end(&flow.source), end(&flow.destination));
    let Flow { protocol, direction, verdict, .. } = flow;
    format!("{source} -> {destination} {protocol}{request} {direction} {verdict}{reason}{policies}")
}

fn end(end: &FlowEnd) -> String {
    let name = end.endpoint.as_ref().map_or_else(|| end.address.to_string(), ToString::to_string);
    let port = end.port.map_or_else(String::new, |port| format!(":{port}"));
    format!("{}{port} (ID:{})", plain(&name), end.identity)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1_000.0)
}
