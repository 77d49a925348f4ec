//! Flows of the agents themselves: the `hubble` program in each agent's pod reads the agent's ring buffer.

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

/// The command that shows whether an agent serves flows.
const STATUS: [&str; 2] = ["hubble", "status"];
/// The command that prints its flows.
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
/// The command that prints the options of that command.
const HELP: [&str; 3] = ["hubble", "observe", "--help"];
/// The names that the option for the printed fields has had.
/// <https://github.com/cilium/cilium/blob/main/hubble/cmd/observe/observe.go>
const FIELD_MASK: [&str; 2] = ["--field-mask", "--experimental-field-mask"];
/// The fields that are read. Without the option, two thirds of the output are labels.
const FIELDS: &str = "time,uuid,verdict,drop_reason,drop_reason_desc,IP,l4,l7,source.identity,source.namespace,\
                      source.pod_name,destination.identity,destination.namespace,destination.pod_name,source_names,\
                      destination_names,node_name,event_type,is_reply,traffic_direction,policy_match_type,\
                      egress_allowed_by,ingress_allowed_by,egress_denied_by,ingress_denied_by";
/// The additional option after an interruption, because the program takes a moment to start. Flows that are printed
/// twice count once.
const SINCE: &str = "--since=10s";
/// The pause before an agent is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// The agent of a node.
struct NodeAgent {
    name: String,
    agent: PodContainer,
    connection: ApiConnection,
    begin: SystemTime,
}

/// Checks that the flows of an agent can be read: by running the program in its pod.
pub(super) async fn answers(connection: &ApiConnection, agent: &PodContainer) -> Result<(), ExecError> {
    output(connection, agent, &STATUS, ANSWER).await.map(drop)
}

/// Starts the program that reads an agent's flows.
async fn observe(
    connection: &ApiConnection,
    agent: &PodContainer,
    besides: &[&str],
) -> Result<OutputLines, ApiError> {
    // Without its help it prints all fields.
    let help = output(connection, agent, &HELP, ANSWER).await.unwrap_or_default();
    let mask = field_mask(&help).map(|option| format!("{option}={FIELDS}"));
    let command: Vec<&str> = OBSERVE.iter().chain(besides).copied().chain(mask.as_deref()).collect();
    OutputLines::of(connection, agent, &command).await
}

/// The option for the printed fields, as the program's help names it; none if it has none.
fn field_mask(help: &str) -> Option<&'static str> {
    let has = |option: &&str| help.split_whitespace().any(|word| word == *option);
    FIELD_MASK.into_iter().find(has)
}

/// Starts to read the flows of a node's agent. The returned future runs until the agent is given up.
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
    /// Reports its flows, and when some may be missing.
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

    /// Connects to the agent again, which may be in another pod by now; none if it stays away.
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
                Err(error) => debug!(%error, node = %self.name, "cannot find the agent of a node"),
            }
            if answers(&self.connection, &self.agent).await.is_ok() {
                match observe(&self.connection, &self.agent, &[SINCE]).await {
                    Ok(lines) => return Some(lines),
                    Err(error) => debug!(%error, node = %self.name, "the agent of a node sends no flows yet"),
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
