//! Denials that may be of a packet that came too early.
//!
//! Cilium passes the answer to a query on once it has told the pods' policies the addresses in it, or after 100 ms: where
//! the machine is busy, a packet may meet the policy before its address does, and the next one passes.
//! <https://docs.cilium.io/en/stable/cmdref/cilium-agent/> (`tofqdns-proxy-response-max-delay`)

use verdikt_scenario::flow::{Flow, FlowDirection};
use verdikt_scenario::observation::{Outcome, Stage, StageKind};
use verdikt_scenario::prediction::EnforcementPoint;

use crate::compare::Verdict;
use crate::correlate::PacketOrigin;
use crate::evidence::{Evidence, is_denial};
use crate::fuse::fuse;

/// Why a denial that is not seen a second time was one.
const TOO_EARLY: &str = "its first packet was denied at egress right after its name was looked up, before Cilium had told \
                         the pod's policy the address";

/// Why the denial of an attempt may be none the next time: its own packet was denied at egress once the same attempt had
/// its name answered.
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
