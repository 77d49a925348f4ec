//! What Hubble saw: the flows of every node, from its own agent, or from Relay where an agent does not answer.

use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use verdikt_cluster::connect::Connection;
use verdikt_cluster::exec::{Container, Lines};
use verdikt_cluster::inspect::Facts;
use verdikt_hubble::convert::{Observed, observed};
use verdikt_hubble::json;

use crate::backend::Signal;

/// What an agent's pod runs: it reads the agent's own ring.
const OBSERVE: [&str; 10] = [
    "hubble",
    "observe",
    "--follow",
    "--output",
    "jsonpb",
    "--type",
    "policy-verdict",
    "--type",
    "drop",
    "--type=l7",
];
/// Before an agent is asked again.
const PAUSE: Duration = Duration::from_millis(500);
/// How often an agent is asked again before it is given up.
const TRIES: u32 = 20;

/// Why flows cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FlowsError {
    /// The cluster reports no flows.
    #[error("Hubble is off in this cluster: enable it (`hubble.enabled=true`)")]
    Off,
    /// An agent reports no flows.
    #[error("the flows of node {node} cannot be had from pod {agent}: {reason}")]
    Silent {
        /// The node.
        node: String,
        /// Its agent's pod.
        agent: Container,
        /// Why.
        reason: String,
    },
}

/// The flows of all nodes.
#[derive(Debug)]
pub(super) struct Flows {
    told: mpsc::UnboundedReceiver<Signal>,
    /// They end with this.
    _following: JoinSet<()>,
}

impl Flows {
    /// Follows the agents of all nodes. Times are counted from `begin`, by the clocks of the nodes.
    pub(super) async fn follow(
        connection: &Connection,
        facts: &Facts,
        begin: SystemTime,
    ) -> Result<Self, FlowsError> {
        if !facts.cilium.hubble() {
            return Err(FlowsError::Off);
        }
        let (tell, told) = mpsc::unbounded_channel();
        let mut following = JoinSet::new();
        for (node, agent) in facts.nodes.iter().filter_map(|(node, it)| Some((node, it.agent.as_ref()?))) {
            let agent = agent.container.clone();
            let lines = Lines::of(connection, &agent, &OBSERVE).await.map_err(|error| {
                FlowsError::Silent { node: node.clone(), agent: agent.clone(), reason: error.to_string() }
            })?;
            let node = Node { name: node.clone(), agent, connection: connection.clone(), begin };
            following.spawn(node.follow(lines, tell.clone()));
        }
        Ok(Self { told, _following: following })
    }

    /// What is told next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Signal {
        match self.told.recv().await {
            Some(signal) => signal,
            // Every agent was given up, which has been told.
            None => std::future::pending().await,
        }
    }
}

/// The agent of a node.
struct Node {
    name: String,
    agent: Container,
    connection: Connection,
    begin: SystemTime,
}

impl Node {
    /// Tells its flows, and when some may be missing.
    async fn follow(self, lines: Lines, tell: mpsc::UnboundedSender<Signal>) {
        let mut following = Some(lines);
        let mut tries = 0;
        while let Some(mut lines) = following.take() {
            let reason = loop {
                match lines.next().await {
                    Ok(line) => {
                        tries = 0;
                        if let Some(signal) = self.signal(&line) {
                            // Nobody listens any more only while the run ends.
                            let _ = tell.send(signal);
                        }
                    }
                    Err(reason) => break reason,
                }
            };
            let _ = tell.send(Signal::Lost(format!("node {}: {reason}", self.name)));
            while following.is_none() && tries < TRIES {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
                following = Lines::of(&self.connection, &self.agent, &OBSERVE).await.ok();
            }
        }
        let _ = tell.send(Signal::Lost(format!("node {} was given up", self.name)));
    }

    fn signal(&self, line: &str) -> Option<Signal> {
        let lost = |reason: String| Some(Signal::Lost(format!("node {}: {reason}", self.name)));
        match json::line(line) {
            Ok(response) => match observed(response, self.begin)? {
                Observed::Flow(reported) => Some(Signal::Flow(Box::new(reported.flow))),
                Observed::Lost(loss) => lost(loss.to_string()),
                Observed::Node(_) => None,
            },
            Err(error) => lost(error.to_string()),
        }
    }
}
