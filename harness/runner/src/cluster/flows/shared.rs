//! The flows of agents, read once for all scenarios of a run.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use verdikt_cluster::connect::ApiConnection;
use verdikt_cluster::inspect::Facts;
use verdikt_hubble::flow_source::FlowSourceChoice;

use super::{FlowsError, NodeFlows, SourceReport, agents, agents_of};

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

/// Those who are told what agents tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscribers(Arc<Mutex<Subscribed>>);

#[derive(Debug, Default)]
struct Subscribed {
    all: Vec<UnboundedSender<SourceReport>>,
    /// What was told last of those from whom no flows come.
    away: BTreeMap<String, SourceReport>,
}

impl Subscribers {
    /// Tells everybody, and remembers for those who come later that no flows do.
    pub(super) fn tell(&self, report: &SourceReport) {
        let mut subscribed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match report {
            SourceReport::Away { from, .. } | SourceReport::GivenUp { from, .. } => {
                subscribed.away.insert(from.clone(), report.clone());
            }
            SourceReport::Back { from } => drop(subscribed.away.remove(from)),
            SourceReport::Flow(_) | SourceReport::Lost(_) => {}
        }
        subscribed.all.retain(|tell| tell.send(report.clone()).is_ok());
    }

    /// What is told from now on.
    pub(super) fn subscribe(&self) -> UnboundedReceiver<SourceReport> {
        let (tell, told) = mpsc::unbounded_channel();
        let mut subscribed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for report in subscribed.away.values() {
            // The receiver is here: it is not missed.
            let _ = tell.send(report.clone());
        }
        subscribed.all.push(tell);
        told
    }
}
