//! The flows of every node, from Hubble in its own agent, or from Hubble Relay if an agent does not answer.

mod agents;
mod relay;
pub(super) mod shared;
mod subscribers;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use verdikt_cluster::connect::ApiConnection;
use verdikt_cluster::exec::PodContainer;
use verdikt_cluster::inspect::Facts;
use verdikt_hubble::client::FlowServer;
use verdikt_hubble::flow_source::{self, FlowSourceChoice, FlowSourceError};
use verdikt_scenario::flow::Flow;

use self::relay::RelayHistory;
use crate::backend::{BackendEvent, FlowState};

/// The timeout of one question to an agent or Relay.
const ANSWER: Duration = Duration::from_secs(10);
/// After how long a source without flows is given up.
const ABSENCE: Duration = Duration::from_mins(1);
/// How long a flow may take from the datapath to here, once the next one has been made.
const LAG: Duration = Duration::from_millis(250);
/// The timeout for Relay to send the flows that it holds back.
const PAST: Duration = Duration::from_secs(1);

/// Why flows cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowsError {
    /// The cluster reports no flows.
    #[error("Hubble is off in this cluster: enable it (`hubble.enabled=true`)")]
    Off,
    /// Neither the agents nor Relay answer.
    #[error(transparent)]
    Nobody(#[from] FlowSourceError),
    /// The flows of an agent cannot be read.
    #[error("cannot read the flows of node {node} from pod {agent}: {reason}")]
    Agent {
        /// The node.
        node: String,
        /// Its agent's pod.
        agent: PodContainer,
        /// Why.
        reason: String,
    },
    /// The flows of Relay cannot be read.
    #[error("cannot read the flows of Relay: {reason}")]
    Relay {
        /// Why.
        reason: String,
    },
}

/// Chooses the flow source: the agents, or Relay if one of them does not answer.
pub async fn choose(connection: &ApiConnection, facts: &Facts) -> Result<FlowSourceChoice, FlowsError> {
    if !facts.cilium.hubble() {
        return Err(FlowsError::Off);
    }
    let answers = agents_of(facts).map(|(node, agent)| async move {
        let answer = agents::answers(connection, agent).await;
        answer.map_err(|error| format!("cannot read the flows of node {node}: {error}"))
    });
    let answers = join_all(answers).await;
    let relay = relay::source(connection, &facts.cilium.namespace);
    Ok(flow_source::choose(answers, relay, ANSWER).await?)
}

/// The agents of all usable nodes.
fn agents_of(facts: &Facts) -> impl Iterator<Item = (&String, &PodContainer)> {
    let usable = facts.nodes.iter().filter(|(_, node)| node.ready);
    let agents = usable.filter_map(|(name, node)| Some((name, node.agent.as_ref()?)));
    agents.filter(|(_, agent)| agent.ready).map(|(name, agent)| (name, &agent.container))
}

/// A report of a reader of flows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SourceReport {
    /// A flow.
    Flow(Box<Flow>),
    /// Earlier flows may be missing, for this reason.
    Lost(String),
    /// A node, or Relay, sends no flows, for this reason.
    Away { from: String, reason: String },
    /// It sends flows again.
    Back { from: String },
    /// It will not send flows again.
    GivenUp { from: String, reason: String },
}

/// The flows of all nodes.
#[derive(Debug)]
pub(super) struct NodeFlows {
    told: mpsc::UnboundedReceiver<SourceReport>,
    /// The sources that send no flows.
    away: BTreeMap<String, Absence>,
    /// Asks Relay for the flows that it holds back.
    past: Option<RelayHistory>,
    /// The tasks that read flows; they end with this.
    readers: JoinSet<()>,
}

/// The absence of a source.
#[derive(Debug)]
struct Absence {
    reason: String,
    /// When it is given up.
    until: Instant,
}

impl NodeFlows {
    /// The flows of agents.
    fn of_agents(told: mpsc::UnboundedReceiver<SourceReport>) -> Self {
        Self { told, away: BTreeMap::new(), past: None, readers: JoinSet::new() }
    }

    /// The flows of Relay. Times are relative to `begin`, by the clocks of the nodes.
    async fn of_relay(facts: &Facts, source: &FlowServer, begin: SystemTime) -> Result<Self, FlowsError> {
        let (tell, told) = mpsc::unbounded_channel();
        let mut readers = JoinSet::new();
        let nodes = agents_of(facts).map(|(node, _)| node.clone()).collect();
        readers.spawn(relay::follow(source, nodes, begin, tell.clone()).await?);
        let past = Some(RelayHistory::new(source, begin, tell).await?);
        Ok(Self { told, away: BTreeMap::new(), past, readers })
    }

    /// Makes the sources send the flows that they hold back, except the latest of each agent. Returns how long that may
    /// take if the next one is made at once.
    pub(super) fn flush(&mut self) -> Duration {
        while self.readers.try_join_next().is_some() {}
        let Some(past) = &mut self.past else { return LAG };
        self.readers.spawn(past.tell());
        LAG + PAST + LAG
    }

    /// Whether all sources send flows.
    pub(super) fn flowing(&self) -> FlowState {
        let now = Instant::now();
        let over = self.away.values().find(|absence| absence.until <= now);
        match over.or(self.away.values().next()) {
            None => FlowState::Yes,
            Some(absence) if absence.until <= now => FlowState::NoMore(absence.reason.clone()),
            Some(absence) => FlowState::NotNow(absence.reason.clone()),
        }
    }

    /// Waits for the next event. Cancel-safe.
    pub(super) async fn next(&mut self) -> BackendEvent {
        loop {
            match self.told.recv().await {
                Some(told) => {
                    if let Some(event) = self.backend_event(told) {
                        return event;
                    }
                }
                // All sources were given up, which has been reported.
                None => std::future::pending().await,
            }
        }
    }

    /// Translates the report of a flow source to a backend event; none if it changes nothing.
    fn backend_event(&mut self, told: SourceReport) -> Option<BackendEvent> {
        let now = Instant::now();
        match told {
            SourceReport::Flow(flow) => Some(BackendEvent::Flow(flow)),
            SourceReport::Lost(reason) => Some(BackendEvent::Lost(reason)),
            SourceReport::Away { from, reason } => {
                self.away.entry(from).or_insert(Absence { reason: reason.clone(), until: now + ABSENCE });
                Some(BackendEvent::Lost(reason))
            }
            SourceReport::Back { from } => self.away.remove(&from).map(|_| BackendEvent::Regained),
            SourceReport::GivenUp { from, reason } => {
                self.away.insert(from, Absence { reason: reason.clone(), until: now });
                Some(BackendEvent::Lost(reason))
            }
        }
    }
}
