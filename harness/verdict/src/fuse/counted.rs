//! Which flows of an attempt count: not those of queries that another DNS server has answered since.

use std::borrow::Cow;
use std::collections::BTreeSet;

use verdikt_scenario::flow::Flow;
use verdikt_scenario::observation::{Outcome, Stage, StageKind};

use crate::correlate::PacketOrigin;
use crate::evidence::Evidence;

/// The flows that count. Those of a query do not if the client got no answer and another server has answered since.
pub(super) fn counted(evidence: &Evidence) -> Cow<'_, [Flow]> {
    let stages = &evidence.observation.stages;
    let is_answer = |outcome: &Outcome| match outcome {
        Outcome::Answered => true,
        Outcome::NoSuchName => evidence.looks_up,
        _ => false,
    };
    let is_answered = |stage: &Stage| stage.kind == StageKind::LookUp && is_answer(&stage.outcome);
    let Some(answered) = stages.iter().rposition(is_answered) else { return Cow::Borrowed(&evidence.flows) };
    let overcome: BTreeSet<PacketOrigin> = stages[..answered]
        .iter()
        .filter(|stage| stage.kind == StageKind::LookUp && !is_answer(&stage.outcome))
        .filter_map(PacketOrigin::of_stage)
        .collect();
    if overcome.is_empty() {
        return Cow::Borrowed(&evidence.flows);
    }
    let counts = |flow: &&Flow| PacketOrigin::of_flow(flow).is_none_or(|origin| !overcome.contains(&origin));
    Cow::Owned(evidence.flows.iter().filter(counts).cloned().collect())
}
