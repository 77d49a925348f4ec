//! What the client, the server and the datapath saw of one attempt.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use verdikt_scenario::flow::{Flow, FlowKind, FlowVerdict};
use verdikt_scenario::observation::{Observation, Outcome};
use verdikt_scenario::topology::Endpoint;

/// The evidence of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What client and server saw.
    pub observation: Observation,
    /// The flows of the attempt's own packets, queries and requests, in their order.
    pub flows: Vec<Flow>,
    /// Why flows may be missing, if so.
    pub lost: Option<String>,
    /// Whether audit mode was on: then only a flow can show that what passed would have been denied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub audit: bool,
    /// The backend of a service that the attempt was sent to, if the datapath chooses among several and the choice is
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub led_to: Option<Endpoint>,
    /// Whether the attempt is only a look-up: then "no such name" is an answer like any other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub looks_up: bool,
    /// Whether the target never answers: then an attempt that nothing denied has timed out, and was allowed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unanswered: bool,
    /// What was seen before, each time the attempt was made again because its evidence gave no verdict. It does not
    /// count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<EarlierEvidence>,
}

/// What was seen of an attempt before it was made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EarlierEvidence {
    /// What the client saw.
    pub outcome: Outcome,
    /// Why that gave no verdict.
    #[serde(alias = "lost")]
    pub reason: String,
}

impl Evidence {
    /// Complete evidence of an attempt that was made once, without audit mode.
    pub fn new(observation: Observation, flows: Vec<Flow>) -> Self {
        Self {
            observation,
            flows,
            lost: None,
            audit: false,
            led_to: None,
            looks_up: false,
            unanswered: false,
            again: Vec::new(),
        }
    }

    /// Whether a flow reports that the attempt was denied.
    pub fn is_denied(&self) -> bool {
        self.flows.iter().any(is_denial)
    }
}

/// Whether a flow reports a denial by policy or proxy.
pub fn is_denial(flow: &Flow) -> bool {
    flow.verdict == FlowVerdict::Dropped && flow.kind != FlowKind::Drop
}

/// The evidence a verdict rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Basis {
    /// What the client saw.
    pub outcome: bool,
    /// What the datapath reported.
    pub flow: bool,
    /// What the server saw, or did not see.
    pub arrival: bool,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.outcome, "outcome"), (self.flow, "flow"), (self.arrival, "arrival")];
        let words: Vec<&str> = words.iter().filter(|(rests, _)| *rests).map(|(_, word)| *word).collect();
        f.pad(&if words.is_empty() { "nothing".to_owned() } else { words.join("+") })
    }
}
