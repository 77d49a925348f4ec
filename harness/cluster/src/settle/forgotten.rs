//! Waits until agents have dropped removed clusterwide policies, which could affect the pods of the next scenario.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Countdown;
use super::agents::AgentAnswer;
use crate::agent_polls::{AgentQuestion, AgentState};
use crate::cluster::Cluster;

/// The timeout of the wait.
const FORGET: Duration = Duration::from_secs(10);

impl Cluster {
    /// Waits until the agents of the nodes with pods of the scenario have none of these policies, by UID. Does not wait for
    /// agents that cannot be asked.
    pub(crate) async fn wait_forgotten(&self, uids: &[String]) {
        let clock = Countdown { begin: Instant::now(), deadline: FORGET };
        let agents = self.nodes_in_use().into_iter().filter_map(|(node, agent)| Some((node, agent?)));
        for (node, agent) in agents.filter(|_| !uids.is_empty()) {
            let what = format!("wait until the agent of node {node} has dropped the clusterwide policies");
            let forgotten = |said: &AgentState| has_forgotten(&said.policy, uids);
            let question = AgentQuestion::Policy;
            let asked = self.ask_until(&what, &agent, question, clock, forgotten).await;
            let reason = match asked {
                Ok(Ok(_)) => continue,
                Ok(Err(reason)) => reason,
                Err(error) => error.to_string(),
            };
            self.progress().tell(reason);
        }
    }
}

/// Whether an agent's policy contains none of these objects.
pub(super) fn has_forgotten(said: &str, uids: &[String]) -> AgentAnswer {
    let said = serde_json::from_str::<Value>(said).unwrap_or_default();
    match said["policy"].as_str() {
        Some(policy) if uids.iter().any(|uid| policy.contains(uid.as_str())) => {
            AgentAnswer::No("the agent still has a policy that was removed".to_owned())
        }
        Some(_) => AgentAnswer::Yes(0),
        None => AgentAnswer::No("cannot read the agent's policy".to_owned()),
    }
}
