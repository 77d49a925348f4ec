//! What is known of one source over all its connections: which events it has told, and which may be missing. Pure.
//!
//! After a cut the source is asked again from the last event on. Nothing is missing then if its ring still held
//! that event, which follows from its counters: it has not been started anew, and since it was last asked for
//! them fewer events have passed than half of what the ring holds (the other half is room for what is not a flow).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prost::Message;

use crate::convert::{LossReason, LossWindow, NodeChange, NodeState};
use crate::flow_source::FlowSource;
use crate::messages::{GetFlowsResponse, ServerStatusResponse};

/// How far the processors of a node are apart in the order of their events.
const DISORDER: Duration = Duration::from_secs(2);
/// For how long, and how many, events are remembered.
const REMEMBERED: Duration = Duration::from_secs(30);
const MOST_REMEMBERED: usize = 65_536;
/// Events from further ahead have a broken time.
const FUTURE: Duration = Duration::from_hours(1);

/// What is known of a source. All times are counted from the start of the run.
#[derive(Debug)]
pub(super) struct SourceState {
    name: String,
    flow_source: FlowSource,
    /// By time: the names of events.
    known: BTreeMap<Duration, BTreeSet<Vec<u8>>>,
    count: usize,
    /// The latest event's time, by the node's clock.
    pub(super) newest: Option<Duration>,
    counters: Option<Counters>,
    /// Nodes that Relay does not hear, since when.
    away: BTreeMap<String, Duration>,
}

/// What the source last said about itself.
#[derive(Clone, Copy, Debug)]
struct Counters {
    seen: u64,
    /// When it said so.
    at: Duration,
}

impl SourceState {
    pub(super) fn new(name: &str, flow_source: FlowSource) -> Self {
        Self {
            name: name.to_owned(),
            flow_source,
            known: BTreeMap::new(),
            count: 0,
            newest: None,
            counters: None,
            away: BTreeMap::new(),
        }
    }

    /// From when on to ask, now.
    pub(super) fn since(&self) -> Duration {
        self.newest.unwrap_or_default().saturating_sub(DISORDER)
    }

    /// Takes note of an event of this time. Returns whether it is new.
    pub(super) fn is_new(&mut self, response: &GetFlowsResponse, at: Duration, now: Duration) -> bool {
        if at > now.saturating_add(FUTURE) {
            return true;
        }
        if !self.known.entry(at).or_default().insert(key(response)) {
            return false;
        }
        self.count += 1;
        let newest = self.newest.unwrap_or_default().max(at);
        self.newest = Some(newest);
        while let Some(oldest) = self.known.first_entry() {
            let is_old = oldest.key().saturating_add(REMEMBERED) < newest;
            if !is_old && self.count <= MOST_REMEMBERED {
                break;
            }
            self.count -= oldest.remove().len();
        }
        true
    }

    /// Takes note of what the source says about itself when everything that it has told until now has been read.
    pub(super) fn heard(&mut self, status: &ServerStatusResponse, now: Duration) {
        self.counters = Some(Counters { seen: status.seen_flows, at: now });
    }

    /// Takes note of what it says when a connection opens, of which nothing has been read. Answers with what
    /// may have been lost before it.
    pub(super) fn connected(&mut self, status: &ServerStatusResponse, now: Duration) -> Option<LossWindow> {
        let Some(before) = self.counters else {
            self.heard(status, now);
            return None;
        };
        let runs = Duration::from_nanos(status.uptime_ns);
        let passed = status.seen_flows.checked_sub(before.seen);
        let why = match passed {
            _ if self.flow_source == FlowSource::Relay => {
                "the connection to Relay was cut, and Relay does not know what its agents have overwritten since"
                    .to_owned()
            }
            Some(_) if runs < now.saturating_sub(before.at) => "the agent was started anew".to_owned(),
            None => "the agent was started anew".to_owned(),
            Some(passed) if passed > status.max_flows / 2 => format!(
                "the connection was cut, and {passed} events have passed an agent that keeps {}",
                status.max_flows
            ),
            Some(_) => return None,
        };
        // What was before is told to be lost, so that nothing but what comes now needs to be kept.
        self.heard(status, now);
        Some(self.cut(why, now))
    }

    /// What may be lost if the source is not heard any more, or was not until now.
    pub(super) fn cut(&self, why: String, now: Duration) -> LossWindow {
        let node = self.name.clone();
        self.widen(LossWindow { reason: LossReason::Cut(why), count: None, node, from: now, to: now }, now)
    }

    /// What may be lost with a message that cannot be read.
    pub(super) fn unreadable(&self, now: Duration) -> LossWindow {
        let reason = LossReason::Unreadable("a message that is not one of its own".to_owned());
        let node = self.name.clone();
        self.widen(LossWindow { reason, count: Some(1), node, from: now, to: now }, now)
    }

    /// A loss with all of its window: from the last event before it until it is heard of.
    pub(super) fn widen(&self, loss: LossWindow, now: Duration) -> LossWindow {
        let node = if loss.node.is_empty() { self.name.clone() } else { loss.node };
        let from = loss.from.min(self.since());
        LossWindow { node, from, to: loss.to.min(now.saturating_add(FUTURE)).max(now), ..loss }
    }

    /// Takes note of what has become of nodes behind Relay. Answers with what may have been lost.
    pub(super) fn nodes(&mut self, change: &NodeChange, now: Duration) -> Vec<LossWindow> {
        let mut losses = Vec::new();
        for node in &change.nodes {
            let from = match change.state {
                NodeState::Connected => self.away.remove(node),
                NodeState::Unavailable | NodeState::Gone | NodeState::Error => {
                    Some(*self.away.entry(node.clone()).or_insert_with(|| self.newest.unwrap_or_default()))
                }
                NodeState::Unknown => None,
            };
            losses.extend(from.map(|from| {
                let reason = match change.message.as_str() {
                    "" => "Relay is not connected to it".to_owned(),
                    message => format!("Relay is not connected to it: {message}"),
                };
                let from = from.saturating_sub(DISORDER).min(now);
                LossWindow {
                    reason: LossReason::NodeAway(reason),
                    count: None,
                    node: node.clone(),
                    from,
                    to: now,
                }
            }));
        }
        losses
    }
}

/// By what two responses are known to tell the same event: its own name, or without one all that it tells.
fn key(response: &GetFlowsResponse) -> Vec<u8> {
    match &response.flow {
        Some(flow) if !flow.uuid.is_empty() => flow.uuid.as_bytes().to_vec(),
        _ => response.encode_to_vec(),
    }
}

#[cfg(test)]
mod tests;
