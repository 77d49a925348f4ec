//! Flows of the agents themselves: each is followed by a program in its own pod, which reads the agent's ring.

use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tracing::debug;
use verdikt_cluster::connect::ApiConnection;
use verdikt_cluster::exec::{ExecError, OutputLines, PodContainer, output};
use verdikt_cluster::inspect::nodes;
use verdikt_hubble::convert::{HubbleEvent, observed};
use verdikt_hubble::json;

use super::{ABSENCE, ANSWER, FlowsError, SourceReport};

/// What an agent's pod runs to say whether its flows can be had.
const STATUS: [&str; 2] = ["hubble", "status"];
/// What an agent's pod runs.
const OBSERVE: &[&str] = &[
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
/// What it runs besides after a cut: the program itself needs a moment before it reads, and what is told twice counts
/// once.
const SINCE: &str = "--since=10s";
/// Before an agent is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// The agent of a node.
struct NodeAgent {
    name: String,
    agent: PodContainer,
    connection: ApiConnection,
    begin: SystemTime,
}

/// Whether an agent tells its flows: nothing may keep verdikt from its pod, which has the program, and it answers.
pub(super) async fn answers(connection: &ApiConnection, agent: &PodContainer) -> Result<(), ExecError> {
    output(connection, agent, &STATUS, ANSWER).await.map(drop)
}

/// Follows the agent of a node; what it returns goes on until the agent is given up.
pub(super) async fn follow(
    connection: &ApiConnection,
    (node, agent): (&str, &PodContainer),
    begin: SystemTime,
    tell: UnboundedSender<SourceReport>,
) -> Result<impl Future<Output = ()> + Send + use<>, FlowsError> {
    let lines = OutputLines::of(connection, agent, OBSERVE).await.map_err(|error| FlowsError::Agent {
        node: node.to_owned(),
        agent: agent.clone(),
        reason: error.to_string(),
    })?;
    let node =
        NodeAgent { name: node.to_owned(), agent: agent.clone(), connection: connection.clone(), begin };
    Ok(node.follow(lines, tell))
}

impl NodeAgent {
    /// Tells its flows, and when some may be missing.
    async fn follow(mut self, mut lines: OutputLines, tell: UnboundedSender<SourceReport>) {
        // Nobody listens any more only while the run ends.
        let tell = |told| drop(tell.send(told));
        loop {
            let reason = loop {
                match lines.next().await {
                    Ok(line) => self.told(&line).into_iter().for_each(&tell),
                    Err(reason) => break reason,
                }
            };
            tell(SourceReport::Away {
                from: self.name.clone(),
                reason: format!("node {}: {reason}", self.name),
            });
            match self.again().await {
                Some(again) => {
                    lines = again;
                    tell(SourceReport::Back { from: self.name.clone() });
                }
                None => break,
            }
        }
        let reason = format!("node {} was given up", self.name);
        tell(SourceReport::GivenUp { from: self.name, reason });
    }

    /// The agent again, which may be in another pod by now; none if it stays away.
    async fn again(&mut self) -> Option<OutputLines> {
        let deadline = Instant::now() + ABSENCE;
        let command: Vec<&str> = OBSERVE.iter().copied().chain([SINCE]).collect();
        while Instant::now() < deadline {
            tokio::time::sleep(PAUSE).await;
            match nodes(&self.connection, &self.agent.namespace).await {
                Ok(mut found) => {
                    if let Some(agent) = found.remove(&self.name).and_then(|node| node.agent) {
                        self.agent = agent.container;
                    }
                }
                Err(error) => debug!(%error, node = %self.name, "cannot look for the agent of a node"),
            }
            if answers(&self.connection, &self.agent).await.is_ok() {
                match OutputLines::of(&self.connection, &self.agent, &command).await {
                    Ok(lines) => return Some(lines),
                    Err(error) => debug!(%error, node = %self.name, "the agent of a node tells no flows yet"),
                }
            }
        }
        None
    }

    fn told(&self, line: &str) -> Option<SourceReport> {
        let lost = |reason: String| Some(SourceReport::Lost(format!("node {}: {reason}", self.name)));
        match json::line(line) {
            Ok(response) => match observed(response, self.begin)? {
                HubbleEvent::Flow(reported) => Some(SourceReport::Flow(Box::new(reported.flow))),
                HubbleEvent::Lost(loss) => lost(loss.to_string()),
                HubbleEvent::Node(_) => None,
            },
            Err(error) => lost(error.to_string()),
        }
    }
}
