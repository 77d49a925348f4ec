//! What Hubble saw: the flows of every node, from its own agent, or from Relay where an agent does not answer.

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
use crate::backend::{BackendEvent, Flowing};

/// How long an agent or Relay may take for an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long flows may stay away before nobody waits for them any more.
const ABSENCE: Duration = Duration::from_mins(1);
/// How long a flow may need from the datapath to here, once the next one is made.
const LAG: Duration = Duration::from_millis(250);
/// How long Relay may take to tell the flows that it holds back.
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
    /// An agent tells no flows.
    #[error("cannot read the flows of node {node} from pod {agent}: {reason}")]
    Agent {
        /// The node.
        node: String,
        /// Its agent's pod.
        agent: PodContainer,
        /// Why.
        reason: String,
    },
    /// Relay tells no flows.
    #[error("cannot read the flows of Relay: {reason}")]
    Relay {
        /// Why.
        reason: String,
    },
}

/// Decides who is asked for flows: the agents, or Relay if one of them does not answer.
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

/// The agents of the nodes that can be used.
fn agents_of(facts: &Facts) -> impl Iterator<Item = (&String, &PodContainer)> {
    let usable = facts.nodes.iter().filter(|(_, node)| node.ready);
    let agents = usable.filter_map(|(name, node)| Some((name, node.agent.as_ref()?)));
    agents.filter(|(_, agent)| agent.ready).map(|(name, agent)| (name, &agent.container))
}

/// What those tell who follow.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SourceReport {
    /// A flow.
    Flow(Box<Flow>),
    /// Flows of until now may be missing, for this reason.
    Lost(String),
    /// From a node, or Relay, no flows come, for this reason.
    Away { from: String, reason: String },
    /// They come again.
    Back { from: String },
    /// They will not come again.
    GivenUp { from: String, reason: String },
}

/// The flows of all nodes.
#[derive(Debug)]
pub(super) struct NodeFlows {
    told: mpsc::UnboundedReceiver<SourceReport>,
    /// From where no flows come.
    away: BTreeMap<String, Absence>,
    /// What asks Relay for the flows that it holds back.
    past: Option<RelayHistory>,
    /// Those who tell; they end with this.
    tellers: JoinSet<()>,
}

/// That no flows come.
#[derive(Debug)]
struct Absence {
    reason: String,
    /// Until when they are waited for.
    until: Instant,
}

impl NodeFlows {
    /// What agents tell.
    fn of_agents(told: mpsc::UnboundedReceiver<SourceReport>) -> Self {
        Self { told, away: BTreeMap::new(), past: None, tellers: JoinSet::new() }
    }

    /// What Relay tells. Times are counted from `begin`, by the clocks of the nodes.
    async fn of_relay(facts: &Facts, source: &FlowServer, begin: SystemTime) -> Result<Self, FlowsError> {
        let (tell, told) = mpsc::unbounded_channel();
        let mut tellers = JoinSet::new();
        let nodes = agents_of(facts).map(|(node, _)| node.clone()).collect();
        tellers.spawn(relay::follow(source, nodes, begin, tell.clone()).await?);
        let past = Some(RelayHistory::new(source, begin, tell).await?);
        Ok(Self { told, away: BTreeMap::new(), past, tellers })
    }

    /// Has everybody tell the flows that are held back, but for the newest of each agent. Answers how long that may
    /// take, if the next one is made at once.
    pub(super) fn flush(&mut self) -> Duration {
        while self.tellers.try_join_next().is_some() {}
        let Some(past) = &mut self.past else { return LAG };
        self.tellers.spawn(past.tell());
        LAG + PAST + LAG
    }

    /// Whether they come from everywhere.
    pub(super) fn flowing(&self) -> Flowing {
        let now = Instant::now();
        let over = self.away.values().find(|absence| absence.until <= now);
        match over.or(self.away.values().next()) {
            None => Flowing::Yes,
            Some(absence) if absence.until <= now => Flowing::NoMore(absence.reason.clone()),
            Some(absence) => Flowing::NotNow(absence.reason.clone()),
        }
    }

    /// What is told next. Cancel-safe.
    pub(super) async fn next(&mut self) -> BackendEvent {
        loop {
            match self.told.recv().await {
                Some(told) => {
                    if let Some(event) = self.backend_event(told) {
                        return event;
                    }
                }
                // Everybody was given up, which has been told.
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
