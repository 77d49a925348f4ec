//! The flows of agents, read once for all scenarios of a run.

use std::time::{Instant, SystemTime};

use tokio::task::JoinSet;
use verdikt_cluster::connect::ApiConnection;
use verdikt_cluster::inspect::Facts;
use verdikt_hubble::flow_source::FlowSourceChoice;

use super::subscribers::Subscribers;
use super::{FlowsError, NodeFlows, agents, agents_of};

/// The flows of a cluster, which every scenario of a run follows. What reads them ends with this.
#[derive(Debug)]
pub(crate) struct SharedFlows {
    choice: FlowSourceChoice,
    /// When times begin.
    begin: (Instant, SystemTime),
    subscribers: Subscribers,
    /// Those who read; they end with this.
    _readers: JoinSet<()>,
}

impl SharedFlows {
    /// Follows whom was chosen. An agent writes every flow once more for each who follows it, so all scenarios share one
    /// reader; Relay is followed by each for itself, as it holds flows back until it is asked.
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

    /// When the times of flows begin.
    pub(in crate::cluster) fn begin(&self) -> Instant {
        self.begin.0
    }

    /// The flows from now on.
    pub(in crate::cluster) async fn subscribe(&self, facts: &Facts) -> Result<NodeFlows, FlowsError> {
        match &self.choice {
            FlowSourceChoice::Agents { .. } => Ok(NodeFlows::of_agents(self.subscribers.subscribe())),
            FlowSourceChoice::Relay { source, .. } => NodeFlows::of_relay(facts, source, self.begin.1).await,
        }
    }
}
