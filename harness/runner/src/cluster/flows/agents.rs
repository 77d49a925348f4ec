//! Flows of the agents themselves: each is followed by a program in its own pod, which reads the agent's ring.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tracing::debug;
use verdikt_cluster::connect::ApiConnection;
use verdikt_cluster::error::ApiError;
use verdikt_cluster::exec::{ExecError, OutputLines, PodContainer, output};
use verdikt_cluster::inspect::nodes;
use verdikt_hubble::convert::{HubbleEvent, observed};
use verdikt_hubble::json;

use super::subscribers::Subscribers;
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
/// What it says of how it can be run.
const HELP: [&str; 3] = ["hubble", "observe", "--help"];
/// The option that says what of a flow it tells, by the names that it has had.
/// <https://github.com/cilium/cilium/blob/main/hubble/cmd/observe/observe.go>
const FIELD_MASK: [&str; 2] = ["--field-mask", "--experimental-field-mask"];
/// All that is read of a flow. Two thirds of what it tells otherwise are labels.
const FIELDS: &str = "time,uuid,verdict,drop_reason,drop_reason_desc,IP,l4,l7,source.identity,source.namespace,\
                      source.pod_name,destination.identity,destination.namespace,destination.pod_name,source_names,\
                      destination_names,node_name,event_type,is_reply,traffic_direction,policy_match_type,\
                      egress_allowed_by,ingress_allowed_by,egress_denied_by,ingress_denied_by";
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

/// Starts the program that reads an agent's flows.
async fn observe(
    connection: &ApiConnection,
    agent: &PodContainer,
    besides: &[&str],
) -> Result<OutputLines, ApiError> {
    // Without its help it tells everything.
    let help = output(connection, agent, &HELP, ANSWER).await.unwrap_or_default();
    let mask = field_mask(&help).map(|option| format!("{option}={FIELDS}"));
    let command: Vec<&str> = OBSERVE.iter().chain(besides).copied().chain(mask.as_deref()).collect();
    OutputLines::of(connection, agent, &command).await
}

/// The option by which the program tells less of a flow, as its help says; none if it has none.
fn field_mask(help: &str) -> Option<&'static str> {
    let has = |option: &&str| help.split_whitespace().any(|word| word == *option);
    FIELD_MASK.into_iter().find(has)
}

/// Follows the agent of a node; what it returns goes on until the agent is given up.
pub(super) async fn follow(
    connection: &ApiConnection,
    (node, agent): (&str, &PodContainer),
    begin: SystemTime,
    subscribers: Subscribers,
) -> Result<impl Future<Output = ()> + Send + use<>, FlowsError> {
    let lines = observe(connection, agent, &[]).await.map_err(|error| FlowsError::Agent {
        node: node.to_owned(),
        agent: agent.clone(),
        reason: error.to_string(),
    })?;
    let node =
        NodeAgent { name: node.to_owned(), agent: agent.clone(), connection: connection.clone(), begin };
    Ok(node.follow(lines, subscribers))
}

impl NodeAgent {
    /// Tells its flows, and when some may be missing.
    async fn follow(mut self, mut lines: OutputLines, subscribers: Subscribers) {
        let tell = |told: SourceReport| subscribers.tell(&told);
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
                match observe(&self.connection, &self.agent, &[SINCE]).await {
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    // As Hubble of Cilium 1.20 and of 1.18 say it.
    #[rstest]
    #[case(
        "      --field-mask strings        Comma-separated list of fields for mask.",
        Some("--field-mask")
    )]
    #[case(
        "      --experimental-field-mask strings   Experimental: Comma-separated list of fields for mask.",
        Some("--experimental-field-mask")
    )]
    #[case("      --use-default-field-masks   Request only visible fields", None)]
    #[case("", None)]
    fn the_help_names_the_option(#[case] help: &str, #[case] expected: Option<&str>) {
        assert_eq!(field_mask(help), expected);
    }
}
