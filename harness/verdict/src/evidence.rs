//! What was seen of one attempt: by its client, by its server, by the datapath.

use std::fmt;

use serde::{Deserialize, Serialize};
use verdikt_scenario::flow::{Flow, FlowKind, FlowVerdict};
use verdikt_scenario::observation::Observation;

/// Everything seen of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What client and server saw.
    pub observation: Observation,
    /// The flows of the attempt's own packets, queries and requests, in their order.
    pub flows: Vec<Flow>,
    /// Why flows may be missing, if so.
    pub lost: Option<String>,
}

impl Evidence {
    /// Whether a flow tells that the attempt was denied.
    pub fn is_denied(&self) -> bool {
        self.flows.iter().any(is_denial)
    }
}

/// Whether a flow tells of a denial by policy or proxy.
pub fn is_denial(flow: &Flow) -> bool {
    flow.verdict == FlowVerdict::Dropped && flow.kind != FlowKind::Drop
}

/// The evidence a verdict rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
