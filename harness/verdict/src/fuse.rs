//! From evidence to a verdict.
//!
//! "Failed" is not "denied": a denial needs a flow of the attempt's own packets, an allow needs the client's
//! success, and what contradicts itself is inconclusive. [`fuse`] has an answer for every combination.

use verdikt_scenario::flow::{DropReason, Flow, FlowDirection, FlowVerdict, ProxyRequest};
use verdikt_scenario::observation::{Arrival, Outcome};
use verdikt_scenario::prediction::Gate;

use crate::compare::Verdict;
use crate::evidence::{Basis, Evidence, is_denial};

/// A verdict and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fused {
    /// The verdict.
    pub verdict: Verdict,
    /// What it rests on.
    pub basis: Basis,
}

/// What a client's outcome tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Succeeded,
    /// It got the answer by which a proxy denies.
    Refused,
    Failed,
    Ended,
    NotAttempted,
}

/// What the flows tell.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Flows {
    Silent,
    Passed,
    Audited(Gate),
    Denied(Gate),
    NotModelled(String),
}

/// Concludes from all evidence of one attempt.
pub fn fuse(evidence: &Evidence) -> Fused {
    let outcome = &evidence.observation.outcome;
    let flows = read(&evidence.flows);
    let arrival = evidence.observation.arrival;
    let client = client(outcome, &flows);
    let seen = format!("the client saw: {outcome}");
    let passed = !matches!(flows, Flows::Silent);
    let basis = |flow, arrival| Basis { outcome: true, flow, arrival };
    let inconclusive =
        |reason: String| Fused { verdict: Verdict::Inconclusive(reason), basis: Basis::default() };
    let lost = evidence.lost.as_ref();
    match (client, flows, arrival) {
        (Client::NotAttempted, ..) => inconclusive(outcome.to_string()),
        (_, Flows::NotModelled(gap), _) => inconclusive(format!("the datapath does not know {gap}")),
        (Client::Succeeded, Flows::Denied(gate), Arrival::NotSeen) => Fused {
            verdict: Verdict::Denied(gate),
            basis: Basis { outcome: false, flow: true, arrival: true },
        },
        (Client::Succeeded, Flows::Denied(gate), Arrival::Arrived | Arrival::Unknown) => {
            inconclusive(format!("{seen}, although its packets were denied at {gate}"))
        }
        (Client::Succeeded, _, Arrival::NotSeen) => inconclusive(format!("{seen}, and no server saw it")),
        (Client::Succeeded, Flows::Audited(gate), arrival) => {
            Fused { verdict: Verdict::Audited(gate), basis: basis(true, arrival == Arrival::Arrived) }
        }
        (Client::Succeeded, Flows::Passed | Flows::Silent, arrival) => {
            Fused { verdict: Verdict::Allowed, basis: basis(passed, arrival == Arrival::Arrived) }
        }
        (Client::Refused, Flows::Denied(gate), _) => {
            Fused { verdict: Verdict::Denied(gate), basis: basis(true, false) }
        }
        (Client::Failed | Client::Ended, Flows::Denied(gate), Arrival::Arrived) => {
            inconclusive(format!("{seen}, and its server, although its packets were denied at {gate}"))
        }
        (Client::Failed | Client::Ended, Flows::Denied(gate), arrival) => {
            Fused { verdict: Verdict::Denied(gate), basis: basis(true, arrival == Arrival::NotSeen) }
        }
        (_, _, arrival) => {
            let why = match (lost, arrival) {
                (Some(lost), _) => format!("flows may be missing: {lost}"),
                (None, Arrival::Arrived) => "it reached its server, and the answer was lost".to_owned(),
                (None, _) => "no flow says that a policy denied it".to_owned(),
            };
            inconclusive(format!("{seen}, and {why}"))
        }
    }
}

fn client(outcome: &Outcome, flows: &Flows) -> Client {
    match (outcome, flows) {
        (Outcome::HttpStatus(403), Flows::Denied(Gate::Http))
        | (Outcome::NameRefused, Flows::Denied(Gate::Dns)) => Client::Refused,
        (Outcome::Answered | Outcome::HttpStatus(_), _) => Client::Succeeded,
        (Outcome::Ended, _) => Client::Ended,
        (Outcome::NotAttempted(_), _) => Client::NotAttempted,
        (
            Outcome::Refused
            | Outcome::Reset
            | Outcome::Unreachable
            | Outcome::TimedOut
            | Outcome::NameRefused
            | Outcome::NoSuchName
            | Outcome::NameFailed(_)
            | Outcome::Garbled(_),
            _,
        ) => Client::Failed,
    }
}

/// What the flows of one attempt tell together: what is not known outweighs a denial, a denial an audit.
fn read(flows: &[Flow]) -> Flows {
    let unknown = flows.iter().find(|flow| flow.verdict == FlowVerdict::Error);
    if let Some(flow) = unknown {
        let gap = match &flow.drop_reason {
            Some(DropReason::NotModelled(gap)) => gap.clone(),
            _ => "what becomes of this attempt".to_owned(),
        };
        return Flows::NotModelled(gap);
    }
    // Of several denials the first on the way decides: egress before ingress, a packet before what it carries.
    let way = |flow: &&Flow| (flow.direction == FlowDirection::Ingress, flow.request.is_some());
    if let Some(flow) = flows.iter().filter(|flow| is_denial(flow)).min_by_key(way) {
        return Flows::Denied(gate(flow));
    }
    if let Some(flow) = flows.iter().filter(|flow| flow.verdict == FlowVerdict::Audit).min_by_key(way) {
        return Flows::Audited(gate(flow));
    }
    if flows.is_empty() { Flows::Silent } else { Flows::Passed }
}

fn gate(flow: &Flow) -> Gate {
    match (&flow.request, flow.direction) {
        (Some(ProxyRequest::Dns { .. }), _) => Gate::Dns,
        (Some(ProxyRequest::Http { .. }), _) => Gate::Http,
        (None, FlowDirection::Egress) => Gate::Egress,
        (None, FlowDirection::Ingress) => Gate::Ingress,
    }
}
