//! Flows for all scenarios of a run: those of agents are read once and shared.

use std::time::{Instant, SystemTime};

use tokio::task::JoinSet;
use verdikt_cluster::connect::ApiConnection;
use verdikt_cluster::inspect::Facts;
use verdikt_hubble::flow_source::FlowSourceChoice;

use super::subscribers::Subscribers;
use super::{FlowsError, NodeFlows, agents, agents_of};

/// The flows of a cluster, for all scenarios of a run. Dropping it ends the readers.
#[derive(Debug)]
pub(crate) struct SharedFlows {
    choice: FlowSourceChoice,
    /// The start of the clock.
    begin: (Instant, SystemTime),
    subscribers: Subscribers,
    /// The tasks that read; they end with this.
    _readers: JoinSet<()>,
}

impl SharedFlows {
    /// Starts to read from the chosen flow source. All scenarios share one reader per agent, because an agent writes every
    /// flow once for each reader. Each scenario has its own connection to Relay, which holds flows back until it is asked.
    pub(crate) async fn follow(
        connection: &ApiConnection,
        facts: &Facts,
        choice: FlowSourceChoice,
    ) -> Result<Self, FlowsError> {
        let begin = (Instant::now(), SystemTime::now());
        let (subscribers, mut readers) = (Subscribers::default(), JoinSet::new());
        if let FlowSourceChoice::Agents { .. } = &choice {
            for (node, agent) in agents_of(facts) {
                let followed = agents::follow(connection, (node, agent), begin.1, subscribers.clone());
                readers.spawn(followed.await?);
            }
        }
        Ok(Self { choice, begin, subscribers, _readers: readers })
    }

    /// The start of the clock of flows.
    pub(in crate::cluster) fn begin(&self) -> Instant {
        self.begin.0
    }

    /// Subscribes to the flows from now on.
    pub(in crate::cluster) async fn subscribe(&self, facts: &Facts) -> Result<NodeFlows, FlowsError> {
        match &self.choice {
            FlowSourceChoice::Agents { .. } => Ok(NodeFlows::of_agents(self.subscribers.subscribe())),
            FlowSourceChoice::Relay { source, .. } => NodeFlows::of_relay(facts, source, self.begin.1).await,
        }
    }
}
