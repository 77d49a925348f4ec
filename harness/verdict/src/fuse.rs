//! From evidence to a verdict.
//!
//! "Failed" is not "denied": a denial needs a flow of the attempt's own packets, an allow needs the client's success,
//! and contradictory evidence is inconclusive. [`fuse`] has an answer for every combination.
//!
//! Missing flows do not weaken what was seen. A reported denial remains a denial. A success remains a success, unless
//! only a flow can tell it from something else: from the answer by which a proxy denies, or from what audit mode let
//! pass. What [`needs_lost_flow`] is inconclusive. A drop for another reason than policy is not a denial, and does
//! not contradict a success.

mod counted;

use std::time::Duration;

use verdikt_scenario::flow::{DropReason, Flow, FlowDirection, FlowKind, FlowVerdict, ProxyRequest};
use verdikt_scenario::observation::{Arrival, Outcome, StageKind};
use verdikt_scenario::prediction::EnforcementPoint;
use verdikt_scenario::topology::Protocol;

use self::counted::counted;
use crate::compare::Verdict;
use crate::correlate::PacketOrigin;
use crate::evidence::{Basis, Evidence, is_denial};

/// A verdict and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FusedVerdict {
    /// The verdict.
    pub verdict: Verdict,
    /// The evidence that decides; nothing where the verdict is inconclusive.
    pub basis: Basis,
}

/// What the outcome of a client shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientEvidence {
    /// Somebody accepted its connection, or answered its datagram, echo or query.
    Answered,
    /// A server answered its request.
    Served,
    /// It received the answer by which a proxy denies.
    Refused,
    Failed,
    NotAttempted,
}

/// What the flows of one attempt show together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum FlowEvidence {
    Silent,
    Passed,
    Audited(EnforcementPoint),
    Denied(EnforcementPoint),
    /// Denied at ingress, when a proxy of the source had already accepted the connection in the server's place.
    DeniedBehindProxy,
    /// Dropped for another reason than policy.
    Dropped(String),
    NotModelled(String),
}

/// Concludes from all evidence of one attempt.
pub fn fuse(evidence: &Evidence) -> FusedVerdict {
    match &evidence.lost {
        Some(lost) if needs_lost_flow(evidence) => {
            let outcome = &evidence.observation.outcome;
            inconclusive(format!("the client saw: {outcome}, and flows may be missing: {lost}"))
        }
        _ => conclude(evidence, read(&counted(evidence))),
    }
}

/// Whether flows may be missing, and one of them would change the verdict. The expectation plays no part.
pub fn needs_lost_flow(evidence: &Evidence) -> bool {
    if evidence.lost.is_none() {
        return false;
    }
    let flows = read(&counted(evidence));
    let with_more = with_more(&flows, evidence);
    let known = conclude(evidence, flows).verdict;
    let mut others = with_more.into_iter().map(|flows| conclude(evidence, flows).verdict);
    others.any(|other| !matches!(other, Verdict::Inconclusive(_)) && other != known)
}

/// Why the evidence gives no verdict, if making the attempt again may give one: always, except for what the datapath
/// does not model. The expectation plays no part.
pub fn may_tell_more(evidence: &Evidence) -> Option<String> {
    match fuse(evidence).verdict {
        Verdict::Inconclusive(reason)
            if !matches!(read(&counted(evidence)), FlowEvidence::NotModelled(_)) =>
        {
            Some(reason)
        }
        _ => None,
    }
}

/// What these flows and further ones could show together. A packet that was denied arrives nowhere else.
fn with_more(flows: &FlowEvidence, evidence: &Evidence) -> Vec<FlowEvidence> {
    match flows {
        FlowEvidence::Silent | FlowEvidence::Passed | FlowEvidence::Dropped(_) | FlowEvidence::Audited(_) => {
            let mut more: Vec<FlowEvidence> = [
                EnforcementPoint::Egress,
                EnforcementPoint::Ingress,
                EnforcementPoint::Dns,
                EnforcementPoint::Http,
                EnforcementPoint::Tls,
            ]
            .map(FlowEvidence::Denied)
            .into();
            more.push(FlowEvidence::DeniedBehindProxy);
            if evidence.audit && !matches!(flows, FlowEvidence::Audited(_)) {
                more.push(FlowEvidence::Audited(EnforcementPoint::Ingress));
            }
            more
        }
        FlowEvidence::Denied(EnforcementPoint::Ingress) => vec![FlowEvidence::DeniedBehindProxy],
        FlowEvidence::Denied(_) | FlowEvidence::DeniedBehindProxy | FlowEvidence::NotModelled(_) => {
            Vec::new()
        }
    }
}

/// The verdict for what the flows show.
fn conclude(evidence: &Evidence, flows: FlowEvidence) -> FusedVerdict {
    let outcome = &evidence.observation.outcome;
    let arrival = evidence.observation.arrival;
    let seen = format!("the client saw: {outcome}");
    if let Some(fused) = answered_by_proxy(evidence, &flows) {
        return fused;
    }
    match (client(evidence, &flows), flows, arrival) {
        (ClientEvidence::NotAttempted, ..) => inconclusive(outcome.to_string()),
        (_, FlowEvidence::NotModelled(gap), _) => inconclusive(format!("the datapath does not know {gap}")),

        // The proxy accepts a connection in place of the server before it decides about anything on it.
        (ClientEvidence::Answered, FlowEvidence::DeniedBehindProxy, arrival) if is_not_its(evidence) => {
            denied_behind_proxy(EnforcementPoint::Ingress, arrival)
        }
        (ClientEvidence::Answered, FlowEvidence::Denied(EnforcementPoint::Http), arrival)
            if is_not_its(evidence) =>
        {
            denied_behind_proxy(EnforcementPoint::Http, arrival)
        }
        (ClientEvidence::Answered | ClientEvidence::Served, flows, arrival) => {
            of_answer(evidence, &flows, arrival, &seen)
        }
        (ClientEvidence::Refused | ClientEvidence::Failed, flows, arrival) => match (denied(&flows), arrival)
        {
            (Some(point), Arrival::Arrived) => inconclusive(format!(
                "{seen}, and it reached its server although its packets were denied at {point}"
            )),
            (Some(point), _) => {
                let basis = Basis { outcome: true, flow: true, arrival: arrival == Arrival::NotSeen };
                FusedVerdict { verdict: Verdict::Denied(point), basis }
            }
            (None, _) if evidence.unanswered => unanswered(&flows, &seen),
            (None, _) => inconclusive(format!("{seen}, and {}", why_unclear(&flows, arrival))),
        },
    }
}

/// Whether something else than the server answered: nothing has reached the server, or it neither answers nor
/// reports.
fn is_not_its(evidence: &Evidence) -> bool {
    match evidence.observation.arrival {
        Arrival::NotSeen => true,
        Arrival::Unknown => evidence.unanswered,
        Arrival::Arrived => false,
    }
}

/// A denial on a connection that a proxy had accepted in place of the server.
fn denied_behind_proxy(point: EnforcementPoint, arrival: Arrival) -> FusedVerdict {
    let basis = Basis { outcome: false, flow: true, arrival: arrival == Arrival::NotSeen };
    FusedVerdict { verdict: Verdict::Denied(point), basis }
}

/// The verdict of an attempt that was answered.
fn of_answer(evidence: &Evidence, flows: &FlowEvidence, arrival: Arrival, seen: &str) -> FusedVerdict {
    match (denied(flows), arrival) {
        (Some(point), _) => {
            let when = when_denied(evidence).unwrap_or_default();
            inconclusive(format!("{seen}, although its packets were denied at {point}{when}"))
        }
        // A connection without a request ends at the proxy.
        (None, Arrival::NotSeen)
            if evidence.observation.outcome == Outcome::Answered
                && have_passed(flows)
                && is_taken_by_proxy(evidence) =>
        {
            let basis = Basis { outcome: true, flow: true, arrival: false };
            FusedVerdict { verdict: passed_as(flows), basis }
        }
        (None, Arrival::NotSeen) => inconclusive(format!("{seen}, and no server saw it")),
        (None, _) => {
            let flow = !matches!(flows, FlowEvidence::Silent | FlowEvidence::Dropped(_));
            let basis = Basis { outcome: true, flow, arrival: arrival == Arrival::Arrived };
            FusedVerdict { verdict: passed_as(flows), basis }
        }
    }
}

/// Whether the datapath let everything pass, be it in audit mode.
fn have_passed(flows: &FlowEvidence) -> bool {
    matches!(flows, FlowEvidence::Passed | FlowEvidence::Audited(_))
}

/// The verdict of what nothing denied.
fn passed_as(flows: &FlowEvidence) -> Verdict {
    match flows {
        FlowEvidence::Audited(point) => Verdict::Audited(*point),
        _ => Verdict::Allowed,
    }
}

fn inconclusive(reason: String) -> FusedVerdict {
    FusedVerdict { verdict: Verdict::Inconclusive(reason), basis: Basis::default() }
}

/// The verdict of a failure where the target never answers: what the datapath let pass was allowed.
fn unanswered(flows: &FlowEvidence, seen: &str) -> FusedVerdict {
    let verdict = match flows {
        FlowEvidence::Passed => Verdict::Allowed,
        FlowEvidence::Audited(point) => Verdict::Audited(*point),
        _ => return inconclusive(format!("{seen}, and {}", why_unclear(flows, Arrival::NotSeen))),
    };
    FusedVerdict { verdict, basis: Basis { outcome: false, flow: true, arrival: false } }
}

/// When the first packet was denied, relative to the answer. Before the answer, the policy may have come into force
/// during the attempt; after it, the datapath let the first packets pass that it denies now.
fn when_denied(evidence: &Evidence) -> Option<String> {
    let stage = evidence.observation.stages.last().filter(|stage| stage.local.is_some())?;
    let answered = stage.began.saturating_add(stage.took);
    let denied = evidence.flows.iter().filter(|flow| is_denial(flow)).map(|flow| flow.at).min()?;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    Some(match denied.checked_sub(answered) {
        Some(later) => format!(", the first of them {:.1} ms after that", milliseconds(later)),
        None => {
            format!(", the first of them {:.1} ms before that", milliseconds(answered.saturating_sub(denied)))
        }
    })
}

/// Why a failure is not a denial.
fn why_unclear(flows: &FlowEvidence, arrival: Arrival) -> String {
    match flows {
        FlowEvidence::Dropped(reason) => format!("its packet was dropped: {reason}"),
        _ if arrival == Arrival::Arrived => "it reached its server, and the answer was lost".to_owned(),
        _ => "no flow says that a policy denied it".to_owned(),
    }
}

/// What a proxy answers without reporting it to the datapath: a redirect, a request that it cannot read, or a
/// connection whose start does not match its rules. No server sees such requests.
fn answered_by_proxy(evidence: &Evidence, flows: &FlowEvidence) -> Option<FusedVerdict> {
    let by_proxy =
        have_passed(flows) && evidence.observation.arrival == Arrival::NotSeen && is_taken_by_proxy(evidence);
    match evidence.observation.outcome {
        Outcome::HttpStatus(307) if by_proxy => {
            let basis = Basis { outcome: true, flow: true, arrival: true };
            Some(FusedVerdict { verdict: Verdict::Redirected, basis })
        }
        Outcome::HttpStatus(400) if by_proxy => {
            let reason = "the HTTP proxy rejected the request before it asked any rule (400)";
            Some(inconclusive(reason.to_owned()))
        }
        Outcome::Reset | Outcome::Garbled(_) if by_proxy && is_asked(evidence) => {
            let basis = Basis { outcome: true, flow: true, arrival: true };
            Some(FusedVerdict { verdict: Verdict::Denied(EnforcementPoint::Tls), basis })
        }
        _ => None,
    }
}

/// Whether the client was connected and sent a request.
fn is_asked(evidence: &Evidence) -> bool {
    evidence.observation.stages.last().is_some_and(|stage| stage.kind == StageKind::Request)
}

/// Whether a proxy accepted the connection of the client.
fn is_taken_by_proxy(evidence: &Evidence) -> bool {
    let last = evidence.observation.stages.last();
    let connected =
        last.filter(|stage| stage.kind != StageKind::LookUp && stage.protocol == Some(Protocol::Tcp));
    let origin = connected.and_then(PacketOrigin::of_stage);
    // A node that replaces the client's address with its own keeps the port if it is free.
    let is_its = |flow: &Flow| {
        let of_flow = PacketOrigin::of_flow(flow);
        let is_relayed = flow.direction == FlowDirection::Ingress
            && of_flow.zip(origin).is_some_and(|(one, own)| {
                one.protocol == own.protocol && one.client.port() == own.client.port()
            });
        of_flow == origin || is_relayed
    };
    let taken =
        |flow: &Flow| flow.verdict == FlowVerdict::Redirected && flow.request.is_none() && is_its(flow);
    origin.is_some() && evidence.flows.iter().any(taken)
}

fn client(evidence: &Evidence, flows: &FlowEvidence) -> ClientEvidence {
    match &evidence.observation.outcome {
        Outcome::NoSuchName if evidence.looks_up => ClientEvidence::Answered,
        Outcome::HttpStatus(403) if *flows == FlowEvidence::Denied(EnforcementPoint::Http) => {
            ClientEvidence::Refused
        }
        // This is also the answer of a proxy that does not trust the certificate of the server.
        Outcome::HttpStatus(503) if *flows == FlowEvidence::Denied(EnforcementPoint::Tls) => {
            ClientEvidence::Refused
        }
        Outcome::NameRefused if *flows == FlowEvidence::Denied(EnforcementPoint::Dns) => {
            ClientEvidence::Refused
        }
        // This is also the answer of a proxy that cannot reach the server.
        Outcome::HttpStatus(502..=504) if *flows == FlowEvidence::DeniedBehindProxy => ClientEvidence::Failed,
        Outcome::HttpStatus(_) => ClientEvidence::Served,
        Outcome::Answered => ClientEvidence::Answered,
        Outcome::NotAttempted(_) => ClientEvidence::NotAttempted,
        Outcome::Refused
        | Outcome::Reset
        | Outcome::Unreachable
        | Outcome::TimedOut
        | Outcome::Ended
        | Outcome::NameRefused
        | Outcome::NoSuchName
        | Outcome::NameFailed(_)
        | Outcome::Garbled(_) => ClientEvidence::Failed,
    }
}

fn denied(flows: &FlowEvidence) -> Option<EnforcementPoint> {
    match flows {
        FlowEvidence::Denied(point) => Some(*point),
        FlowEvidence::DeniedBehindProxy => Some(EnforcementPoint::Ingress),
        FlowEvidence::Silent
        | FlowEvidence::Passed
        | FlowEvidence::Audited(_)
        | FlowEvidence::Dropped(_)
        | FlowEvidence::NotModelled(_) => None,
    }
}

/// What the flows of one attempt show together: the unknown outranks a denial, a denial an audited packet, and that
/// another drop.
fn read(flows: &[Flow]) -> FlowEvidence {
    if let Some(flow) = flows.iter().find(|flow| flow.verdict == FlowVerdict::Error) {
        return FlowEvidence::NotModelled(match &flow.drop_reason {
            Some(DropReason::NotModelled(gap)) => gap.clone(),
            _ => "what happens to this attempt".to_owned(),
        });
    }
    // Of several denials the first on the way decides: egress before ingress, and a packet before its contents.
    let way = |flow: &&Flow| (flow.direction == FlowDirection::Ingress, flow.request.is_some());
    if let Some(denial) = flows.iter().filter(|flow| is_denial(flow)).min_by_key(way) {
        // A proxy of the source sends as the client, a gateway as itself.
        let to_proxy = |flow: &Flow| {
            let is_same = flow.source.socket() == denial.source.socket();
            let direction = if is_same { FlowDirection::Egress } else { FlowDirection::Ingress };
            flow.verdict == FlowVerdict::Redirected
                && flow.direction == direction
                && flow.protocol == denial.protocol
        };
        return match point(denial) {
            EnforcementPoint::Ingress if flows.iter().any(to_proxy) => FlowEvidence::DeniedBehindProxy,
            point => FlowEvidence::Denied(point),
        };
    }
    if let Some(flow) = flows.iter().filter(|flow| flow.verdict == FlowVerdict::Audit).min_by_key(way) {
        return FlowEvidence::Audited(point(flow));
    }
    if let Some(flow) = flows.iter().find(|flow| flow.kind == FlowKind::Drop) {
        let reason = flow.drop_reason.as_ref();
        return FlowEvidence::Dropped(
            reason.map_or_else(|| "no reason is given".to_owned(), ToString::to_string),
        );
    }
    if flows.is_empty() { FlowEvidence::Silent } else { FlowEvidence::Passed }
}

fn point(flow: &Flow) -> EnforcementPoint {
    match (&flow.request, flow.direction) {
        (Some(ProxyRequest::Dns { .. }), _) => EnforcementPoint::Dns,
        (Some(ProxyRequest::Http { .. }), _) => EnforcementPoint::Http,
        (Some(ProxyRequest::Tls { .. }), _) => EnforcementPoint::Tls,
        (None, FlowDirection::Egress) => EnforcementPoint::Egress,
        (None, FlowDirection::Ingress) => EnforcementPoint::Ingress,
    }
}

#[cfg(test)]
mod tests;
