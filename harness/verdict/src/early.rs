//! Denials of packets that may have been sent too early.
//!
//! Cilium forwards the answer to a query when it has added the addresses in it to the pods' policies, or after 100
//! ms. On a busy machine a packet may therefore arrive before the policy knows its address, and the next one passes.
//! <https://docs.cilium.io/en/stable/cmdref/cilium-agent/> (`tofqdns-proxy-response-max-delay`)

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

/// Why an attempt that was denied may be allowed when it is made again: its own packet was denied at egress after the
/// same attempt had resolved its name.
pub fn may_be_too_early(evidence: &Evidence) -> Option<&'static str> {
    let stages = &evidence.observation.stages;
    let is_answer = |stage: &Stage| stage.kind == StageKind::LookUp && stage.outcome == Outcome::Answered;
    let answered = stages.iter().rposition(is_answer)?;
    let own: Vec<PacketOrigin> = stages[answered + 1..].iter().filter_map(PacketOrigin::of_stage).collect();
    let is_early = |flow: &Flow| {
        let of_flow = PacketOrigin::of_flow(flow);
        is_denial(flow)
            && flow.direction == FlowDirection::Egress
            && flow.request.is_none()
            && of_flow.is_some_and(|origin| own.contains(&origin))
    };
    let is_denied = fuse(evidence).verdict == Verdict::Denied(EnforcementPoint::Egress);
    (is_denied && evidence.flows.iter().any(is_early)).then_some(TOO_EARLY)
}
