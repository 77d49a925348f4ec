//! Finds out from the agents why an endpoint does not get its policy.
//!
//! The endpoint's log, which only the agent has, names the failure. The agent's metrics show whether the policy map is
//! full, because the error for an entry without room does not name the map.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tracing::debug;

use super::own_pods::name_of;
use crate::cluster::Cluster;
use crate::exec::{self, PodContainer};
use crate::limits;

/// The timeout of one question to an agent.
const ANSWER: Duration = Duration::from_secs(10);
/// How many endpoint logs are read of a node: late endpoints mostly have the same reason.
const MOST: usize = 2;

/// An endpoint that is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnhealthyEndpoint {
    /// Its endpoint ID.
    pub(crate) id: u64,
    /// Its pod.
    pub(crate) pod: String,
}

impl Cluster {
    /// The reasons why pods are not ready for traffic, as the agents report them; none if no agent can be asked.
    pub(super) async fn causes(&self) -> Vec<String> {
        let asked = self.nodes_in_use().into_iter().filter_map(|(node, agent)| Some((node, agent?)));
        let asked = asked.map(|(node, agent)| async move {
            let of_node = self.pods().filter(|pod| self.node_of(pod) == Some(node.as_str()));
            let pods: BTreeSet<String> = of_node.map(ToString::to_string).collect();
            let mut causes = Vec::new();
            for UnhealthyEndpoint { id, pod } in
                self.unhealthy_endpoints(&agent, &pods).await.into_iter().take(MOST)
            {
                let log = self.log_of_endpoint(&agent, id).await;
                causes.extend(last_failure(&log).map(|said| format!("its agent says of {pod}: {said}")));
            }
            let pressure = limits::pressure(self.connection(), &agent).await;
            causes.extend(pressure.and_then(|it| limits::overflow(&node, it, &self.facts().cilium)));
            causes
        });
        let causes = futures_util::future::join_all(asked).await;
        causes.into_iter().flatten().collect()
    }

    /// The endpoints of these pods that an agent does not list as ready.
    pub(crate) async fn unhealthy_endpoints(
        &self,
        agent: &PodContainer,
        pods: &BTreeSet<String>,
    ) -> Vec<UnhealthyEndpoint> {
        let said = self.say(agent, &["endpoint", "list", "-o", "json"]).await;
        unhealthy_endpoints(&said, pods)
    }

    /// Reads the log of an endpoint from its agent; empty if the agent cannot be asked.
    pub(crate) async fn log_of_endpoint(&self, agent: &PodContainer, id: u64) -> String {
        self.say(agent, &["endpoint", "log", &id.to_string(), "-o", "json"]).await
    }

    /// Runs a command in an agent's pod and returns its output; empty if that fails.
    async fn say(&self, agent: &PodContainer, question: &[&str]) -> String {
        let command: Vec<&str> = std::iter::once("cilium-dbg").chain(question.iter().copied()).collect();
        let said = exec::output(self.connection(), agent, &command, ANSWER).await;
        said.unwrap_or_else(|error| {
            debug!(%error, ?question, "cannot ask an agent");
            String::new()
        })
    }
}

/// The endpoints of these pods that are not in state `ready`.
pub(super) fn unhealthy_endpoints(said: &str, pods: &BTreeSet<String>) -> Vec<UnhealthyEndpoint> {
    let endpoints = serde_json::from_str::<Vec<Value>>(said).unwrap_or_default();
    let ours = endpoints.iter().filter_map(|endpoint| {
        let pod = name_of(endpoint).filter(|pod| pods.contains(pod))?;
        let state = endpoint.pointer("/status/state").and_then(Value::as_str);
        Some(UnhealthyEndpoint { id: endpoint["id"].as_u64()?, pod }).filter(|_| state != Some("ready"))
    });
    ours.collect()
}

/// The latest failure in an endpoint's log, or otherwise the latest warning. The latest entry comes first.
/// <https://github.com/cilium/cilium/blob/main/pkg/endpoint/status.go>
pub(super) fn last_failure(log: &str) -> Option<String> {
    let entries = serde_json::from_str::<Vec<Value>>(log).unwrap_or_default();
    let with = |code: &str| {
        let found = entries.iter().find(|entry| entry["code"].as_str() == Some(code))?;
        Some(found["message"].as_str()?.trim().to_owned())
    };
    with("Failure").or_else(|| with("Warning"))
}
