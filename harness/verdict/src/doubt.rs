//! Verdicts of clusters that hold only if a second attempt confirms them.
//!
//! Cilium forwards the answer to a query when it has added the addresses in it to the pods' policies, or after 100
//! ms. On a busy machine a packet may therefore arrive before the policy knows its address, and the next one passes.
//! <https://docs.cilium.io/en/stable/cmdref/cilium-agent/> (`tofqdns-proxy-response-max-delay`)
//!
//! In audit mode only a flow tells what would have been denied from what is allowed, and the datapath limits the rate of
//! its events: one that is left out there is not counted as lost.
//! <https://docs.cilium.io/en/stable/security/policy-creation/>

use verdikt_scenario::flow::{Flow, FlowDirection};
use verdikt_scenario::observation::{Outcome, Stage, StageKind};
use verdikt_scenario::prediction::EnforcementPoint;

use crate::compare::Verdict;
use crate::correlate::PacketOrigin;
use crate::evidence::{Evidence, is_denial};
use crate::fuse::fuse;

/// Why a denial that was not seen a second time was not final.
const TOO_EARLY: &str = "its first packet was denied at egress right after its name was looked up, before Cilium had told \
                         the pod's policy the address";
/// Why a success in audit mode that had another verdict the second time was not final.
const UNREPORTED: &str = "it was answered in audit mode, and the flow that tells whether it would have been denied was \
                          missing";

/// Why the verdict may be another one when the attempt is made again, although the evidence is conclusive.
pub fn doubt(evidence: &Evidence) -> Option<&'static str> {
    if is_too_early(evidence) {
        Some(TOO_EARLY)
    } else if is_unreported(evidence) {
        Some(UNREPORTED)
    } else {
        None
    }
}

/// Whether the attempt's own packet was denied at egress after the same attempt had resolved its name.
fn is_too_early(evidence: &Evidence) -> bool {
    let stages = &evidence.observation.stages;
    let is_answer = |stage: &Stage| stage.kind == StageKind::LookUp && stage.outcome == Outcome::Answered;
    let Some(answered) = stages.iter().rposition(is_answer) else { return false };
    let own: Vec<PacketOrigin> = stages[answered + 1..].iter().filter_map(PacketOrigin::of_stage).collect();
    let is_early = |flow: &Flow| {
        let of_flow = PacketOrigin::of_flow(flow);
        is_denial(flow)
            && flow.direction == FlowDirection::Egress
            && flow.request.is_none()
            && of_flow.is_some_and(|origin| own.contains(&origin))
    };
    let is_denied = fuse(evidence).verdict == Verdict::Denied(EnforcementPoint::Egress);
    is_denied && evidence.flows.iter().any(is_early)
}

/// Whether audit mode was on, and the attempt was allowed without a flow of each direction.
fn is_unreported(evidence: &Evidence) -> bool {
    let has = |direction| evidence.flows.iter().any(|flow| flow.direction == direction);
    evidence.audit
        && !(has(FlowDirection::Egress) && has(FlowDirection::Ingress))
        && fuse(evidence).verdict == Verdict::Allowed
}
